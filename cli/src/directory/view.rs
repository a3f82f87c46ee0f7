//! Shows records: for people, as JSON, and as the line that imports them.

use serde_json::{Map, Value};
use tokenward_proto::v1::{Operation, Record, record::Record as Kind};

use super::kinds::{columns, show_record};
use crate::{
    exit::{Exit, Failure},
    table,
};

/// Returns the line of a put, as `import` reads it.
pub(super) fn line(operation: Operation) -> Result<Value, Failure> {
    let put = operation.operation.and_then(|it| it.split().ok());
    let Some(record) = put else {
        let text = "the issuer's export holds what this command doesn't know";
        return Err(Failure::new(Exit::Other, text).next("use a newer `tokenward` command"));
    };
    let name = format!("put_{}", record.word());
    Ok(object([(name, show_record(&record))]))
}

/// Returns the JSON of a record, under the name of its kind.
pub(super) fn json(kind: &Kind) -> Value {
    object([(kind.word().to_owned(), show_record(kind))])
}

pub(super) fn present(record: Option<Record>) -> Result<Kind, Failure> {
    record
        .and_then(|record| record.record)
        .ok_or_else(|| Failure::new(Exit::Other, "the issuer's answer holds no record"))
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}

/// Shows one record, with one field on each line.
pub(super) fn card(kind: &Kind) -> String {
    let mut rows = vec![vec!["record".to_owned(), kind.word().replace('_', " ")]];
    fields(&show_record(kind), &mut rows);
    table::pairs(&rows)
}

/// Collects the fields that have a value other than the default.
fn fields(body: &Value, rows: &mut Vec<Vec<String>>) {
    for (field, value) in body.as_object().into_iter().flatten() {
        let text = match value {
            Value::Object(_) => {
                fields(value, rows);
                continue;
            }
            Value::Bool(true) => "yes".to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) if number.as_i64() != Some(0) => number.to_string(),
            _ => String::new(),
        };
        if !text.is_empty() {
            rows.push(vec![field.replace('_', " "), text]);
        }
    }
}

/// Shows records of one kind, with one record on each line.
pub(super) fn list(records: &[Kind]) -> String {
    let (mut rows, mut header) = (Vec::new(), Vec::new());
    for record in records {
        let (names, cells) = columns(record);
        header = names.iter().map(|&name| name.to_owned()).collect();
        rows.push(cells);
    }
    rows.insert(0, header);
    table::columns(&rows)
}

#[cfg(test)]
mod tests {
    use tokenward_proto::v1::User;

    use super::*;
    use crate::directory::line::parse;

    /// An import of any line, and an export after it, give the same line.
    #[test]
    fn a_line_comes_back() {
        for text in [
            r#"{"put_user":{"disabled":true,"display":{"avatar_url":"","email":"a@b","full_name":"Ada","is_pro":true},"id":"u1","name":"ada","service_account_of":"o7"}}"#,
            r#"{"put_user":{"disabled":false,"display":null,"id":"u1","name":"ada","service_account_of":""}}"#,
            r#"{"put_org":{"display":{"avatar_url":"x","full_name":"","plan":"team"},"id":"o7","name":"acme"}}"#,
            r#"{"put_member":{"org_id":"o7","role":"no_access","user_id":"u1"}}"#,
            r#"{"put_repo":{"creator_id":"u1","disabled":true,"gate":"auto","group_id":"g1","id":"m1","kind":"space","name":"llama","org_members_gated":true,"owner_id":"o7","visibility":"protected"}}"#,
            r#"{"put_group":{"id":"g1","name":"Research","org_id":"o7"}}"#,
            r#"{"put_group_member":{"group_id":"g1","role":"contributor","user_id":"u1"}}"#,
            r#"{"put_org_policy":{"max_token_lifetime_seconds":7776000,"org_id":"o7","policy":"admin_approval"}}"#,
            r#"{"put_org_policy":{"max_token_lifetime_seconds":0,"org_id":"o7","policy":"allow"}}"#,
            r#"{"put_gate_grant":{"repo_id":"m1","state":"rejected","user_id":"u1"}}"#,
        ] {
            let operation = parse(text).unwrap();
            let written = line(operation.clone()).unwrap().to_string();
            assert_eq!(parse(&written).unwrap(), operation);
            let as_read: Value = serde_json::from_str(text).unwrap();
            assert_eq!(written, as_read.to_string());
        }
        assert!(line(parse(r#"{"delete_user":"u1"}"#).unwrap()).is_err());
    }

    #[test]
    fn cards_leave_out_what_says_nothing() {
        let user = User {
            id: "u1".into(),
            name: "ada".into(),
            disabled: true,
            ..User::default()
        };
        let kind = Kind::User(user);
        assert_eq!(
            card(&kind),
            "record    user\ndisabled  yes\nid        u1\nname      ada\n"
        );
        assert_eq!(
            list(&[kind]),
            "ID  NAME  STATE     SERVICE ACCOUNT OF\nu1  ada   disabled\n"
        );
    }
}
