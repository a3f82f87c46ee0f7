//! `tokenward token rotate` gives a token a new value.

use std::time::Duration;

use tokenward_common::{
    clock::{Clock, SystemClock},
    process::duration::written,
};
use tokenward_issuer::tokens::MAX_OVERLAP;
use tokenward_proto::v1::RotateTokenRequest;

use super::{
    One, connect, present,
    reveal::{Made, SecretArgs, repeatable},
};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    secret::Secret,
    when::{Expiry, parse_duration, to_proto},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token rotate 1042
  tokenward token rotate 1042 --overlap 1h --secret-file ./ci.token.new
  tokenward token rotate 1042 --expires 90d

The token keeps its id, name, role, scopes and approvals. Without --overlap every older value is
refused at once, even one that was still in an overlap. With --overlap the replaced value is good
beside the new one until the overlap ends. If a value leaked, give no overlap. The new secret is
shown only once. After exit code 5, run the command again with the --request-id that it printed.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    token: One,
    /// Keep the old value good beside the new one for this long, in whole seconds and at most 7d.
    /// Without this option the old value is refused at once.
    #[arg(long, value_name = "DURATION", value_parser = parse_overlap)]
    overlap: Option<Duration>,
    /// End the new value after this time (30d, 12h) or at this date (2027-01-31T12:00:00Z). Without
    /// this option it ends when the old value would have ended.
    #[arg(long, value_name = "WHEN", value_parser = Expiry::parse)]
    expires: Option<Expiry>,
    #[command(flatten)]
    secret: SecretArgs,
}

/// Parses an overlap by the issuer's own rule.
fn parse_overlap(text: &str) -> Result<Duration, String> {
    let overlap = parse_duration(text)?;
    if overlap > MAX_OVERLAP || overlap.subsec_nanos() != 0 {
        let most = written(MAX_OVERLAP);
        return Err(format!(
            "must be at most {most}, in whole seconds: what is to be good for longer is a token of its own"
        ));
    }
    Ok(overlap)
}

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token_id = args.token.id()?;
    let place = args.secret.prepare()?;
    let (mut tokens, server) = connect(global).await?;
    let request = RotateTokenRequest {
        request_id: place.request_id.clone(),
        token_id,
        overlap: args.overlap.map(to_proto),
        expire_time: args.expires.map(|it| it.at(SystemClock.unix().seconds())),
    };
    let answer = server
        .call(request, |it| tokens.rotate_token(it))
        .await
        .map_err(|failure| repeatable(failure, &place.request_id, "rotate"))?;
    let made = Made {
        secret: Secret::new(answer.secret),
        token: present(answer.token)?,
        revision: answer.revision,
        warnings: Vec::new(),
    };
    let again = |id: &str| format!("rotate token {id} once more, without a --request-id");
    place.show(&made, again, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_at_most_what_the_issuer_takes() {
        for right in ["0s", "1h", "7d", "1w"] {
            assert!(parse_overlap(right).is_ok(), "{right}");
        }
        for wrong in ["30d", "8d", "2w", "1500ms"] {
            let rule = parse_overlap(wrong).unwrap_err();
            assert!(rule.starts_with("must be at most 7d"), "{wrong}: {rule}");
        }
    }
}
