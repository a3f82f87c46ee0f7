//! `tokenward token create` mints a token.

use tokenward_common::clock::{Clock, SystemClock};
use tokenward_proto::v1::{CreateTokenRequest, Role};

use super::{
    Owner, connect, present,
    reveal::{Made, SecretArgs, repeatable},
    scope,
};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    secret::Secret,
    when::Expiry,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token create --owner ada --name laptop --role read --expires 30d
  tokenward token create --owner ada --name ci --role write --secret-file ./ci.token
  tokenward token create --owner-id u1 --name eval --role fineGrained \\
      --scope model:m42=repo.content.read,discussion.write --scope org:o7=repo.write \\
      --can-read-gated-repos --expires 2027-01-31

`tokenward permissions` lists what a scope may name.

The secret is shown only once. A repeat with the same --request-id within ten minutes returns the
same token and secret. After exit code 5, run the command again with the id that it printed.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    owner: Owner,
    /// Give the token this name, which says what it is for. It must be unique among the owner's
    /// live tokens.
    #[arg(long)]
    name: String,
    /// Limit the token to this role: read, write or fineGrained.
    #[arg(long, value_parser = scope::parse_role)]
    role: Role,
    #[command(flatten)]
    scopes: scope::ScopeArgs,
    /// End the token after this time (30d, 12h) or at this date (2027-01-31T12:00:00Z). Without
    /// this option it never ends.
    #[arg(long, value_name = "WHEN", value_parser = Expiry::parse)]
    expires: Option<Expiry>,
    #[command(flatten)]
    secret: SecretArgs,
}

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let scopes = args.scopes.build(args.role)?;
    let place = args.secret.prepare()?;
    let (mut tokens, server) = connect(global).await?;
    let (owner_id, owner_name) = args.owner.split();
    let request = CreateTokenRequest {
        request_id: place.request_id.clone(),
        owner_id,
        owner_name,
        name: args.name,
        role: args.role.into(),
        scopes,
        expire_time: args.expires.map(|it| it.at(SystemClock.unix().seconds())),
    };
    let answer = server
        .call(request, |it| tokens.create_token(it))
        .await
        .map_err(|failure| repeatable(failure, &place.request_id, "mint"))?;
    let made = Made {
        secret: Secret::new(answer.secret),
        token: present(answer.token)?,
        revision: answer.revision,
        warnings: answer.warnings,
    };
    let again = |id: &str| format!("revoke token {id} and create another");
    place.show(&made, again, output)
}
