//! Shows a token: as a card, as a line of a list, or as JSON.

use prost_types::Timestamp;
use serde_json::{Map, Value, json};
use tokenward_proto::v1::{EntityKind, Scope, Scopes, Token, TokenState};

use super::scope::role_word;
use crate::{table, when::show, words::word_of};

/// Returns a token's id, name and last characters: `1042 laptop (…a1b2)`.
pub(crate) fn name(token: &Token) -> String {
    format!("{} {} (…{})", token.id, token.name, token.last_four)
}

pub(super) fn card(token: &Token) -> String {
    let scopes = token.scopes.clone().unwrap_or_default();
    let mut text = table::fields([
        ("id", token.id.clone()),
        ("name", token.name.clone()),
        ("owner", owner(token)),
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
        // This is the widest name; with it, lines that are added below have the same columns.
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
    text.push_str(&named_scope_lines(&scopes, &token.scope_names));
    text
}

/// Returns the owner's id, with the name where the answer has it.
fn owner(token: &Token) -> String {
    match token.owner_name.as_str() {
        "" => token.owner_id.clone(),
        name => format!("{} ({name})", token.owner_id),
    }
}

fn old_value(token: &Token) -> String {
    // A revoked token has no live value, so an overlap means nothing.
    if token.revoke_time.is_some() {
        return String::new();
    }
    match show(token.overlap_end_time.as_ref()) {
        end if end.is_empty() => end,
        end => format!("the old value is good until {end}"),
    }
}

/// Returns the scopes, with one scope on each line.
pub(crate) fn scope_lines(scopes: &Scopes) -> String {
    named_scope_lines(scopes, &[])
}

fn named_scope_lines(scopes: &Scopes, names: &[String]) -> String {
    let lines = all_scope_lines(scopes, names);
    lines
        .map(|line| table::fields([("scope   ", line)]))
        .collect()
}

/// Returns each scope in the form of the `--scope` option, with the entity's name where the answer has it.
fn all_scope_lines<'a>(
    scopes: &'a Scopes,
    names: &'a [String],
) -> impl Iterator<Item = String> + use<'a> {
    let names = names
        .iter()
        .map(String::as_str)
        .chain(std::iter::repeat(""));
    let named = scopes.scoped.iter().zip(names);
    named.map(|(scope, name)| match name {
        "" => scope_line(scope),
        name => format!("{} ({name})", scope_line(scope)),
    })
}

fn scope_line(scope: &Scope) -> String {
    let kind = word_of::<EntityKind>(scope.entity_kind);
    let mut line = format!("{kind}:{}={}", scope.entity_id, scope.permissions.join(","));
    if !scope.endpoint_patterns.is_empty() {
        line.push_str(&format!(" on {}", scope.endpoint_patterns.join(",")));
    }
    line
}

/// Returns the notes below a token's row: scopes that the role doesn't show, and values that will end by
/// themselves.
pub(crate) fn notes(token: &Token) -> String {
    let mut notes = Vec::new();
    if let Some(scopes) = &token.scopes {
        notes.extend(all_scope_lines(scopes, &token.scope_names));
        if !scopes.global.is_empty() {
            notes.push(format!("global={}", scopes.global.join(",")));
        }
        if scopes.can_read_gated_repos {
            notes.push("may read gated repos".into());
        }
        if notes.is_empty() {
            notes.push("no scopes".into());
        }
    }
    let rotated = day(token.rotate_time.as_ref());
    match old_value(token) {
        _ if rotated.is_empty() => {}
        old if old.is_empty() => notes.push(format!("rotated {rotated}")),
        old => notes.push(format!("rotated {rotated}; {old}")),
    }
    notes.iter().map(|note| table::note(note)).collect()
}

/// Returns the day of a time. Only the card shows the time in full.
pub(crate) fn day(time: Option<&Timestamp>) -> String {
    show(time).chars().take(10).collect()
}

/// Formats a table's head and its rows, each with its token's notes below.
pub(crate) fn with_notes<'a>(
    rows: &[Vec<String>],
    tokens: impl Iterator<Item = Option<&'a Token>>,
) -> String {
    let head_first = std::iter::once(None).chain(tokens);
    let rows = table::Columns::default().rows(rows).into_iter();
    let noted = rows.zip(head_first);
    noted
        .map(|(row, token)| row + &token.map(notes).unwrap_or_default())
        .collect()
}

pub(super) fn list(tokens: &[Token]) -> String {
    let head = ["ID", "NAME", "ROLE", "STATE", "EXPIRES", "USED", "ENDS IN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.name.clone(),
            role_word(token.role()).to_owned(),
            word_of::<TokenState>(token.state),
            or(day(token.expire_time.as_ref()), "never"),
            or(day(token.last_used_time.as_ref()), "never seen"),
            format!("…{}", token.last_four),
        ]
    }));
    with_notes(&rows, tokens.iter().map(Some))
}

/// Formats the tokens of all owners that end soon, the next one to end first.
pub(super) fn forecast(tokens: &[Token]) -> String {
    let head = ["EXPIRES", "ID", "OWNER", "NAME", "ROLE", "USED", "ENDS IN"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        vec![
            show(token.expire_time.as_ref()),
            token.id.clone(),
            owner(token),
            token.name.clone(),
            role_word(token.role()).to_owned(),
            or(day(token.last_used_time.as_ref()), "never seen"),
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

/// Returns the token with the API's field names. Absent and empty fields are left out.
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
    text("owner_name", token.owner_name.clone());
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
        if !token.scope_names.is_empty() {
            let names = token.scope_names.as_slice();
            object.insert("scope_names".into(), names.into());
        }
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
    use tokenward_proto::v1::Role;

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
ID    NAME  ROLE         STATE   EXPIRES  USED        ENDS IN
1042  eval  fineGrained  active  never    never seen  …a1b2
    org:o7=repo.write,job.write
    may read gated repos
"
        );
        // The first token needs no note. The second is fine-grained and has no scopes.
        let (classic, bare) = (Role::Read, Role::FineGrained);
        let of = |role: Role, scopes| Token {
            role: role.into(),
            scopes,
            ..token()
        };
        let two = list(&[of(classic, None), of(bare, Some(Scopes::default()))]);
        assert_eq!(two.lines().count(), 4, "{two}");
        assert!(two.ends_with("\n    no scopes\n"), "{two}");
        // The table fits its width, however long names and notes are.
        let mut wide = token();
        wide.name = "山田 ".repeat(25).trim_end().to_owned();
        wide.scopes.as_mut().unwrap().scoped[0].permissions = vec!["repo.content.read".into(); 20];
        wide.expire_time = wide.create_time;
        let text = list(&[wide, token()]);
        for line in text.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{text}");
        }
        assert!(text.contains("  2027-01-31  never seen  …a1b2"), "{text}");
        assert_eq!(
            forecast(&[token()]).lines().next_back(),
            Some("         1042  u1     eval  fineGrained  never seen  …a1b2")
        );
    }

    #[test]
    fn names_stand_beside_ids() {
        let named = Token {
            owner_name: "ada".into(),
            scope_names: vec!["acme".into()],
            ..token()
        };
        let text = card(&named);
        assert!(text.contains("owner     u1 (ada)\n"), "{text}");
        let line = "org:o7=repo.write,job.write (acme)\n";
        assert!(text.ends_with(&format!("scope     {line}")), "{text}");
        let text = list(std::slice::from_ref(&named));
        assert!(text.contains(&format!("\n    {line}")), "{text}");
        assert!(forecast(std::slice::from_ref(&named)).contains("  u1 (ada)  eval  "));
        let value = json(&named);
        assert_eq!(value["owner_name"], "ada");
        assert_eq!(value["scope_names"], json!(["acme"]));
        // An entity that is gone has no name.
        let gone = Token {
            scope_names: vec![String::new()],
            ..token()
        };
        assert!(card(&gone).ends_with("org:o7=repo.write,job.write\n"));
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
        let text = list(std::slice::from_ref(&token));
        let told = "\n    rotated 2027-01-31; the old value is good until 2027-01-31T13:00:00Z\n";
        assert!(text.ends_with(told), "{text}");
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
