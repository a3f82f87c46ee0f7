//! `tokenward whoami` shows a token's owner, what the token may do, and which orgs accept it, as a
//! verifier sees it.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokenward_proto::v1::{
    GroupRole, Identity, Membership, OrgRole, Reason, SecurityRestriction, WhoAmIRequest,
    WhoAmIResponse, verifier_service_client::VerifierServiceClient,
};

use crate::{
    connect,
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    secret, table,
    token::{role_word, view},
    when::show,
    words::word_of,
};

const EXAMPLES: &str = "\
Examples:
  tokenward whoami --token-file ./token
  TOKENWARD_TOKEN=$(cat token) tokenward whoami --json

Exit code 0 means that the token is good, and 1 that it is refused. Exit code 5 means that the
verifier could not judge: try again. CLOSED tells why an org's resources that are not public are
closed to this token.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read the token from this file [env: TOKENWARD_TOKEN_FILE]. Without a file the token is read
    /// from TOKENWARD_TOKEN, and otherwise from a prompt.
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Judge by a view that has applied this revision, which `token create` or `token revoke`
    /// printed.
    #[arg(
        long,
        value_name = "REVISION",
        env = "TOKENWARD_MIN_REVISION",
        hide_env_values = true
    )]
    min_revision: Option<String>,
}

pub(crate) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token = secret::TOKEN.read(args.token_file.as_deref())?;
    let (channel, server) = connect::verifier(global, false).await?;
    let mut verifier = VerifierServiceClient::new(channel);
    let request = WhoAmIRequest {
        token: token.expose().to_owned(),
        min_revision: args.min_revision.unwrap_or_default(),
        max_staleness: None,
    };
    let answer = server.call(request, |it| verifier.who_am_i(it)).await?;
    output.answer(&text(&answer), &value(&answer))?;
    Ok(match answer.identity {
        Some(_) => Exit::Ok,
        None => Exit::Denied,
    })
}

fn text(answer: &WhoAmIResponse) -> String {
    let Some(identity) = &answer.identity else {
        let reason = word_of::<Reason>(answer.reason);
        return format!("DENY {reason}: {}", answer.message);
    };
    let owner = identity.owner.clone().unwrap_or_default();
    let token = identity.token.clone().unwrap_or_default();
    let mut text = table::fields([
        ("owner", format!("{} ({})", owner.name, owner.id)),
        ("token", format!("{} {}", token.id, token.name)),
        ("role", role_word(token.role()).to_owned()),
        ("created", show(token.create_time.as_ref())),
        (
            "expires ",
            view::or(show(token.expire_time.as_ref()), "never"),
        ),
    ]);
    if let Some(scopes) = &token.scopes {
        text.push_str(&view::scope_lines(scopes));
    }
    if !identity.orgs.is_empty() {
        text.push('\n');
        text.push_str(&orgs(identity));
    }
    text
}

fn orgs(identity: &Identity) -> String {
    let mut rows = vec![
        ["ORG", "ROLE", "GROUPS", "CLOSED"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(identity.orgs.iter().map(|it| {
        let groups = it.groups.iter();
        let groups = groups.map(|it| format!("{}:{}", it.name, word_of::<GroupRole>(it.role)));
        vec![
            it.org.clone().unwrap_or_default().name,
            word_of::<OrgRole>(it.role),
            view::or(groups.collect::<Vec<_>>().join(","), "-"),
            view::or(restrictions(it).join(","), "-"),
        ]
    }));
    table::columns(&rows)
}

/// Returns the restrictions in the hub's words: `token-policy`, `token-revoked`.
fn restrictions(membership: &Membership) -> Vec<String> {
    let all = membership.restrictions.iter();
    all.map(|it| word_of::<SecurityRestriction>(*it)).collect()
}

fn value(answer: &WhoAmIResponse) -> Value {
    let Some(identity) = &answer.identity else {
        return json!({
            "live": false,
            "reason": word_of::<Reason>(answer.reason),
            "message": answer.message,
            "revision": answer.revision,
        });
    };
    let owner = identity.owner.clone().unwrap_or_default();
    let token = identity.token.clone().unwrap_or_default();
    let org = |it: &Membership| {
        let org = it.org.clone().unwrap_or_default();
        let groups = it.groups.iter().map(|it| {
            json!({ "id": it.group_id, "name": it.name, "role": word_of::<GroupRole>(it.role) })
        });
        json!({
            "id": org.id,
            "name": org.name,
            "role": word_of::<OrgRole>(it.role),
            "groups": groups.collect::<Vec<_>>(),
            "restrictions": restrictions(it),
        })
    };
    let end = show(token.expire_time.as_ref());
    json!({
        "live": true,
        "owner": { "id": owner.id, "name": owner.name },
        "token": {
            "id": token.id,
            "name": token.name,
            "role": role_word(token.role()),
            "scopes": token.scopes.as_ref().map(view::scopes_json),
            "create_time": show(token.create_time.as_ref()),
            "expire_time": (!end.is_empty()).then_some(end),
        },
        "orgs": identity.orgs.iter().map(org).collect::<Vec<_>>(),
        "revision": answer.revision,
    })
}

#[cfg(test)]
mod tests {
    use tokenward_proto::v1::{LiveToken, Org, Role, User};

    use super::*;

    fn answer() -> WhoAmIResponse {
        let membership = |name: &str, restrictions: Vec<i32>| Membership {
            org: Some(Org {
                id: format!("o-{name}"),
                name: name.into(),
                display: None,
            }),
            role: OrgRole::Read.into(),
            groups: Vec::new(),
            restrictions,
        };
        let policy = SecurityRestriction::TokenPolicy.into();
        WhoAmIResponse {
            identity: Some(Identity {
                owner: Some(User {
                    id: "u1".into(),
                    name: "ada".into(),
                    ..User::default()
                }),
                token: Some(LiveToken {
                    id: "7".into(),
                    name: "laptop".into(),
                    role: Role::Read.into(),
                    ..LiveToken::default()
                }),
                orgs: vec![membership("acme", vec![policy]), membership("lab", vec![])],
            }),
            ..WhoAmIResponse::default()
        }
    }

    #[test]
    fn a_holder_is_told() {
        assert_eq!(
            text(&answer()),
            "\
owner     ada (u1)
token     7 laptop
role      read
expires   never

ORG   ROLE  GROUPS  CLOSED
acme  read  -       token-policy
lab   read  -       -
"
        );
        let value = value(&answer());
        assert_eq!(value["orgs"][0]["restrictions"], json!(["token-policy"]));
        assert_eq!(value["token"]["expire_time"], Value::Null);
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let refused = WhoAmIResponse {
            reason: Reason::TokenRevoked.into(),
            message: "the token was revoked".into(),
            ..WhoAmIResponse::default()
        };
        assert_eq!(text(&refused), "DENY token_revoked: the token was revoked");
        assert_eq!(value(&refused)["live"], false);
    }
}
