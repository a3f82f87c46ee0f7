//! `tokenward org-token list` shows the tokens that reach an org.

use serde_json::{Value, json};
use tokenward_proto::v1::{ListOrgTokensRequest, OrgToken, OrgTokenState};

use super::{Org, connect};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    token::{role_word, view},
    words::word_of,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward org-token list --org acme
  tokenward org-token list --org acme --owner bob
  tokenward org-token list --org-id o7 --all --json

Without a member the list has the fine-grained tokens with a scope on the org, on one of its groups
or on one of its repos. With a member it has the member's read and write tokens, too, because these
reach everything that the member can reach. IN ORG is the org's decision; `pending` means that the
org asks for approval and nobody has decided. No secret is shown. The credential needs the role
orgs.";

const PAGE: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    org: Org,
    /// List only the tokens of the member with this name.
    #[arg(long, value_name = "NAME", conflicts_with = "owner_id")]
    owner: Option<String>,
    /// List only the tokens of the member with this account id.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
    /// List also tokens that the org revoked, that were revoked for everything, or that have
    /// expired.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(args: List, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (mut orgs, _, server) = connect(global).await?;
    let (org_id, org_name) = args.org.split();
    let mut request = ListOrgTokensRequest {
        org_id,
        org_name,
        include_revoked: args.all,
        page_size: PAGE,
        page_token: String::new(),
        owner_id: args.owner_id.unwrap_or_default(),
        owner_name: args.owner.unwrap_or_default(),
    };
    let mut tokens = Vec::new();
    loop {
        let page = server
            .call(request.clone(), |it| orgs.list_org_tokens(it))
            .await?;
        tokens.extend(page.tokens);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if tokens.is_empty() && !output.is_json() {
        output.note("No tokens.");
    } else {
        let value = Value::Array(tokens.iter().map(json).collect());
        output.answer(&text(&tokens), &value)?;
    }
    Ok(Exit::Ok)
}

/// Returns the word of the state. It is `-` when no decision was made or requested.
pub(super) fn state(token: &OrgToken) -> String {
    match token.org_state {
        0 => "-".to_owned(),
        state => word_of::<OrgTokenState>(state),
    }
}

fn text(tokens: &[OrgToken]) -> String {
    let head = [
        "ID", "OWNER", "NAME", "ROLE", "IN ORG", "EXPIRES", "USED", "ENDS IN",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|it| {
        let token = it.token.clone().unwrap_or_default();
        vec![
            token.id.clone(),
            token.owner_id.clone(),
            token.name.clone(),
            role_word(token.role()).to_owned(),
            state(it),
            view::or(view::day(token.expire_time.as_ref()), "never"),
            view::or(view::day(token.last_used_time.as_ref()), "never seen"),
            format!("…{}", token.last_four),
        ]
    }));
    view::with_notes(&rows, tokens.iter().map(|it| it.token.as_ref()))
}

/// Returns the JSON of the token's own fields and of its fields for the org.
pub(super) fn json(token: &OrgToken) -> Value {
    let mut value = token.token.as_ref().map_or_else(|| json!({}), view::json);
    if let Some(object) = value.as_object_mut() {
        let decided = (token.org_state != 0).then(|| word_of::<OrgTokenState>(token.org_state));
        object.insert("org_state".into(), decided.into());
    }
    value
}

#[cfg(test)]
mod tests {
    use tokenward_proto::v1::{Role, Scopes, Token, TokenState};

    use super::*;

    fn token(state: OrgTokenState) -> OrgToken {
        OrgToken {
            token: Some(Token {
                id: "1042".into(),
                owner_id: "u1".into(),
                name: "eval".into(),
                role: Role::FineGrained.into(),
                state: TokenState::Active.into(),
                last_four: "a1b2".into(),
                scopes: Some(Scopes::default()),
                ..Token::default()
            }),
            org_state: state.into(),
        }
    }

    #[test]
    fn a_list_is_aligned() {
        let tokens = [
            token(OrgTokenState::Pending),
            token(OrgTokenState::Unspecified),
        ];
        assert_eq!(
            text(&tokens),
            "\
ID    OWNER  NAME  ROLE         IN ORG   EXPIRES  USED        ENDS IN
1042  u1     eval  fineGrained  pending  never    never seen  …a1b2
    no scopes
1042  u1     eval  fineGrained  -        never    never seen  …a1b2
    no scopes
"
        );
    }

    #[test]
    fn json_has_both_states() {
        let value = json(&token(OrgTokenState::Denied));
        assert_eq!(
            (&value["state"], &value["org_state"]),
            (&"active".into(), &"denied".into())
        );
        assert_eq!(
            json(&token(OrgTokenState::Unspecified))["org_state"],
            Value::Null
        );
    }
}
