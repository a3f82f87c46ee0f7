//! How a token is shown: a card, a line of a list, JSON.

use serde_json::{Map, Value, json};
use tokenward_proto::v1::{EntityKind, Scopes, Token, TokenState};

use super::scope::role_word;
use crate::{table, when::show, words::word_of};

/// `1042 laptop (…a1b2)`.
pub(crate) fn name(token: &Token) -> String {
    format!("{} {} (…{})", token.id, token.name, token.last_four)
}

pub(super) fn card(token: &Token) -> String {
    let scopes = token.scopes.clone().unwrap_or_default();
    let mut text = table::fields([
        ("id", token.id.clone()),
        ("name", token.name.clone()),
        ("owner", token.owner_id.clone()),
        ("role", role_word(token.role()).to_owned()),
        ("state", word_of::<TokenState>(token.state)),
        ("created", show(token.create_time.as_ref())),
        ("by", token.created_by.clone()),
        ("expires", or(show(token.expire_time.as_ref()), "never")),
        ("revoked", show(token.revoke_time.as_ref())),
        (
            "used",
            or(show(token.last_used_time.as_ref()), "never seen"),
        ),
        ("rotated", show(token.rotate_time.as_ref())),
        ("overlap", old_value(token)),
        ("ends in", format!("…{}", token.last_four)),
        // The widest name, so that lines added below stand in the same column.
        ("key     ", token.key_id.clone()),
        ("global", scopes.global.join(", ")),
        (
            "gated",
            if scopes.can_read_gated_repos {
                "may be read".into()
            } else {
                String::new()
            },
        ),
    ]);
    text.push_str(&scope_lines(&scopes));
    text
}

fn old_value(token: &Token) -> String {
    match show(token.overlap_end_time.as_ref()) {
        end if end.is_empty() => end,
        end => format!("the old value is good until {end}"),
    }
}

/// A line for each scope.
pub(crate) fn scope_lines(scopes: &Scopes) -> String {
    let mut text = String::new();
    for scope in &scopes.scoped {
        let kind = word_of::<EntityKind>(scope.entity_kind);
        let mut line = format!("{kind}:{}={}", scope.entity_id, scope.permissions.join(","));
        if !scope.endpoint_patterns.is_empty() {
            line.push_str(&format!(" on {}", scope.endpoint_patterns.join(",")));
        }
        text.push_str(&table::fields([("scope   ", line)]));
    }
    text
}

pub(super) fn list(tokens: &[Token]) -> String {
    let head = [
        "ID",
        "NAME",
        "ROLE",
        "STATE",
        "CREATED",
        "EXPIRES",
        "USED",
        "ROTATED",
        "OLD VALUE UNTIL",
        "ENDS IN",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.name.clone(),
            role_word(token.role()).to_owned(),
            word_of::<TokenState>(token.state),
            show(token.create_time.as_ref()),
            or(show(token.expire_time.as_ref()), "never"),
            or(show(token.last_used_time.as_ref()), "never seen"),
            or(show(token.rotate_time.as_ref()), "never"),
            or(show(token.overlap_end_time.as_ref()), "-"),
            format!("…{}", token.last_four),
        ]
    }));
    table::columns(&rows)
}

/// The forecast: of all owners, the next to end first.
pub(super) fn forecast(tokens: &[Token]) -> String {
    let head = ["EXPIRES", "ID", "OWNER", "NAME", "ROLE", "USED", "ENDS IN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        vec![
            show(token.expire_time.as_ref()),
            token.id.clone(),
            token.owner_id.clone(),
            token.name.clone(),
            role_word(token.role()).to_owned(),
            or(show(token.last_used_time.as_ref()), "never seen"),
            format!("…{}", token.last_four),
        ]
    }));
    table::columns(&rows)
}

pub(crate) fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

/// The API's field names; what is absent or empty is left out.
pub(crate) fn json(token: &Token) -> Value {
    let mut object = Map::new();
    let mut text = |key: &str, value: String| {
        if !value.is_empty() {
            object.insert(key.to_owned(), value.into());
        }
    };
    text("id", token.id.clone());
    text("name", token.name.clone());
    text("owner_id", token.owner_id.clone());
    text("role", role_word(token.role()).to_owned());
    text("state", word_of::<TokenState>(token.state));
    text("create_time", show(token.create_time.as_ref()));
    text("expire_time", show(token.expire_time.as_ref()));
    text("revoke_time", show(token.revoke_time.as_ref()));
    text("last_used_time", show(token.last_used_time.as_ref()));
    text("rotate_time", show(token.rotate_time.as_ref()));
    text("overlap_end_time", show(token.overlap_end_time.as_ref()));
    text("last_four", token.last_four.clone());
    text("created_by", token.created_by.clone());
    text("key_id", token.key_id.clone());
    if let Some(scopes) = &token.scopes {
        object.insert("scopes".into(), scopes_json(scopes));
    }
    Value::Object(object)
}

pub(crate) fn scopes_json(scopes: &Scopes) -> Value {
    let scoped: Vec<Value> = scopes
        .scoped
        .iter()
        .map(|scope| {
            json!({
                "entity_kind": word_of::<EntityKind>(scope.entity_kind),
                "entity_id": scope.entity_id,
                "permissions": scope.permissions,
                "endpoint_patterns": scope.endpoint_patterns,
            })
        })
        .collect();
    json!({
        "scoped": scoped,
        "global": scopes.global,
        "can_read_gated_repos": scopes.can_read_gated_repos,
    })
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use tokenward_proto::v1::{Role, Scope};

    use super::*;

    fn token() -> Token {
        Token {
            id: "1042".into(),
            owner_id: "u1".into(),
            name: "eval".into(),
            role: Role::FineGrained.into(),
            scopes: Some(Scopes {
                scoped: vec![Scope {
                    entity_kind: EntityKind::Org.into(),
                    entity_id: "o7".into(),
                    permissions: vec!["repo.write".into(), "job.write".into()],
                    endpoint_patterns: Vec::new(),
                }],
                global: Vec::new(),
                can_read_gated_repos: true,
            }),
            create_time: Some(Timestamp {
                seconds: 1_801_396_800,
                nanos: 7,
            }),
            state: TokenState::Active.into(),
            last_four: "a1b2".into(),
            created_by: "hub".into(),
            key_id: "k1".into(),
            ..Token::default()
        }
    }

    #[test]
    fn a_card_is_aligned() {
        assert_eq!(
            card(&token()),
            "\
id        1042
name      eval
owner     u1
role      fineGrained
state     active
created   2027-01-31T12:00:00Z
by        hub
expires   never
used      never seen
ends in   …a1b2
key       k1
gated     may be read
scope     org:o7=repo.write,job.write
"
        );
    }

    #[test]
    fn a_list_is_aligned() {
        assert_eq!(
            list(&[token()]),
            "\
ID    NAME  ROLE         STATE   CREATED               EXPIRES  USED        ROTATED  OLD VALUE UNTIL  ENDS IN
1042  eval  fineGrained  active  2027-01-31T12:00:00Z  never    never seen  never    -                …a1b2
"
        );
        assert_eq!(
            forecast(&[token()]).lines().next_back(),
            Some("         1042  u1     eval  fineGrained  never seen  …a1b2")
        );
    }

    #[test]
    fn a_rotated_token_shows_it() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let token = Token {
            rotate_time: at(1_801_396_800),
            overlap_end_time: at(1_801_400_400),
            last_used_time: at(1_801_396_800),
            ..token()
        };
        let card = card(&token);
        for line in [
            "used      2027-01-31T12:00:00Z\nrotated   2027-01-31T12:00:00Z\n",
            "overlap   the old value is good until 2027-01-31T13:00:00Z\n",
        ] {
            assert!(card.contains(line), "{card}");
        }
        assert!(list(std::slice::from_ref(&token)).ends_with("2027-01-31T13:00:00Z  …a1b2\n"));
        assert_eq!(json(&token)["overlap_end_time"], "2027-01-31T13:00:00Z");
    }

    #[test]
    fn json_has_the_api_names() {
        let value = json(&token());
        assert_eq!(value["state"], "active");
        assert_eq!(value["create_time"], "2027-01-31T12:00:00Z");
        assert_eq!(value["scopes"]["scoped"][0]["entity_kind"], "org");
        assert_eq!(value.get("expire_time"), None);
    }
}
