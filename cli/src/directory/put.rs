//! `tokenward directory put` changes some fields of one record, and no others.

use clap::Args;
use prost_types::FieldMask;
use serde_json::{Map, Value, json};
use tokenward_proto::v1::{
    Operation, WriteRequest, record::Record as Kind, token_service_client::TokenServiceClient,
};

use super::{Directory, kinds, line, view, which};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    receipt::{self, WaitArgs},
};

const HELP: &str = "\
Examples:
  tokenward directory put user:ada --set name=countess
  tokenward directory put user-id:u1 --set display.email=ada@example.org --set disabled=false
  tokenward directory put model:acme/llama --set visibility=private --set gate=none
  tokenward directory put policy acme --set policy=admin_approval
  tokenward directory put user:ada --set display.email=
  tokenward directory put user:ada --set disabled=true --wait

Only the fields that --set names change; all others stay as they are, also when somebody else changes
them at the same moment. Fields are named as in a line of `tokenward directory import`, and those of
\"display\" as display.FIELD. A text without a value is emptied. The record must exist; `import` makes
records. The change is made at once, and the command prints its revision; with --wait also which
verifiers have applied it. The last example freezes an account: all its tokens are refused until
disabled=false.
";

/// The one field whose name in the lines differs from its name in the issuer's API.
const RENAMED: (&str, &str) = ("max_token_lifetime_seconds", "max_token_lifetime");
/// The fields whose values in a line are JSON booleans or numbers, not text.
const NO_TEXT: [&str; 4] = ["disabled", "is_pro", "org_members_gated", RENAMED.0];

pub(super) fn help() -> String {
    format!("{HELP}\n{}", kinds::FORMS)
}

/// Returns the fields that identify the record, and those that never change.
fn keys(kind: &Kind) -> Vec<&'static str> {
    [kind.key_fields(), kinds::fixed(kind)].concat()
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Change this record, which is written as stated below.
    #[arg(value_name = "RECORD", required = true, num_args = 1..=3)]
    record: Vec<String>,
    /// Set this field of the record to this value. Repeat the option for several fields.
    #[arg(long, value_name = "FIELD=VALUE", required = true)]
    set: Vec<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(super) async fn run(args: Put, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let which = which::parse(&args.record)?;
    let set = args.set.iter().map(|text| parse(text));
    let set = set.collect::<Result<Vec<_>, _>>()?;
    let mut directory = Directory::connect(global).await?;
    let (kind, _) = directory.find(&which).await?;
    is_sound(&set, &keys(&kind))?;
    let request = WriteRequest {
        request_id: String::new(),
        operations: vec![changed(&kind, &set)?],
    };
    let Directory {
        client,
        server,
        channel,
    } = &mut directory;
    let answer = server.call(request, |it| client.write(it)).await?;
    let tokens = TokenServiceClient::new(channel.clone());
    let receipt = args
        .wait
        .receipt(None, &answer.revision, server, tokens)
        .await?;
    let record = args.record.join(" ");
    let fields: Vec<_> = set.iter().map(|it| it.0).collect();
    let text = format!(
        "changed   {} of {record}\nrevision  {}",
        fields.join(", "),
        answer.revision
    );
    let value = json!({ "record": record, "changed": fields, "revision": answer.revision });
    receipt::answer(output, text, value, receipt.as_ref(), "known to")
}

fn parse(text: &str) -> Result<(&str, &str), Failure> {
    let set = text.split_once('=').filter(|(field, _)| !field.is_empty());
    set.ok_or_else(|| Failure::usage("--set: must be FIELD=VALUE"))
}

/// Refuses a field that identifies the record, because a new value would name another record. It also
/// refuses a field that is given twice, because only one value would count.
fn is_sound(set: &[(&str, &str)], keys: &[&str]) -> Result<(), Failure> {
    for (at, (field, _)) in set.iter().enumerate() {
        if keys.contains(field) {
            return Err(Failure::usage(format!(
                "--set {field}: names the record, which RECORD does; it can't be changed"
            )));
        }
        if set.iter().take(at).any(|(before, _)| before == field) {
            return Err(Failure::usage(format!("--set {field}: is given twice")));
        }
    }
    Ok(())
}

/// Builds the put of these fields. A line needs the other fields too, but the mask leaves them out.
fn changed(kind: &Kind, set: &[(&str, &str)]) -> Result<Operation, Failure> {
    let wrong = |rule: String| Failure::usage(format!("--set {rule}"));
    let Value::Object(shown) = view::json(kind) else {
        return Err(Failure::new(Exit::Other, "the record can't be shown"));
    };
    let mut record = Map::new();
    for (name, mut body) in shown {
        for (path, text) in set {
            let (within, field) = match path.split_once('.') {
                Some((within, field)) => (Some(within), field),
                None => (None, *path),
            };
            let place = match within {
                Some(within) => {
                    let nested = body
                        .as_object_mut()
                        .map(|it| it.entry(within).or_insert(Value::Null));
                    nested.map(|it| match it {
                        Value::Null => {
                            *it = json!({});
                            it
                        }
                        there => there,
                    })
                }
                None => Some(&mut body),
            };
            let place = place.and_then(Value::as_object_mut);
            let place = place.ok_or_else(|| wrong(format!("{path}: is no field")))?;
            place.insert(field.into(), value(field, text));
        }
        record.insert(format!("put_{name}"), body);
    }
    let line = Value::Object(record).to_string();
    let paths = set.iter().map(|(path, _)| match *path {
        path if path == RENAMED.0 => RENAMED.1.to_owned(),
        path => path.to_owned(),
    });
    Ok(Operation {
        update_mask: Some(FieldMask {
            paths: paths.collect(),
        }),
        ..line::parse(&line).map_err(wrong)?
    })
}

fn value(field: &str, text: &str) -> Value {
    if NO_TEXT.contains(&field) {
        // An empty value stays text, which is refused for these fields: it must not switch a restriction
        // off.
        return serde_json::from_str(text).unwrap_or_else(|_| text.into());
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use tokenward_proto::v1::{
        OrgPolicy, TokenPolicy, User, UserDisplay, operation::Operation as Op,
    };

    use super::*;

    fn ada() -> User {
        User {
            id: "u1".into(),
            name: "ada".into(),
            ..User::default()
        }
    }

    fn paths(operation: &Operation) -> Vec<String> {
        operation.update_mask.clone().unwrap().paths
    }

    #[test]
    fn no_field_names_another_record_or_stands_there_twice() {
        let keys = keys(&Kind::Member(Default::default()));
        for key in &keys {
            let told = is_sound(&[("role", "admin"), (key, "other")], &keys).unwrap_err();
            assert!(
                told.message.contains(key) && told.exit == Exit::Usage,
                "{told}"
            );
        }
        let twice = [("disabled", "true"), ("name", "a"), ("disabled", "false")];
        let told = is_sound(&twice, &["id"]).unwrap_err();
        assert!(told.message.contains("disabled: is given twice"), "{told}");
        is_sound(&[("disabled", "true"), ("display.email", "")], &["id"]).unwrap();
        // The group of a repo is no part of its name, so it may be changed.
        is_sound(
            &[("group_id", "g1")],
            &super::keys(&Kind::Repo(Default::default())),
        )
        .unwrap();
    }

    #[test]
    fn a_put_names_what_was_set() {
        let set = [
            ("name", "countess"),
            ("display.is_pro", "true"),
            ("disabled", "false"),
        ];
        let operation = changed(&Kind::User(ada()), &set).unwrap();
        assert_eq!(paths(&operation), ["name", "display.is_pro", "disabled"]);
        let want = User {
            name: "countess".into(),
            display: Some(UserDisplay {
                is_pro: true,
                ..UserDisplay::default()
            }),
            ..ada()
        };
        assert_eq!(operation.operation, Some(Op::PutUser(want)));
        let policy = OrgPolicy {
            org_id: "o1".into(),
            policy: TokenPolicy::Allow.into(),
            max_token_lifetime: None,
        };
        let set = [("max_token_lifetime_seconds", "60")];
        let operation = changed(&Kind::OrgPolicy(policy), &set).unwrap();
        assert_eq!(paths(&operation), ["max_token_lifetime"]);
        let Some(Op::PutOrgPolicy(policy)) = operation.operation else {
            panic!("a policy")
        };
        assert_eq!(policy.max_token_lifetime.unwrap().seconds, 60);
    }

    #[test]
    fn what_is_no_field_is_named_with_those_that_are() {
        for (set, says) in [
            (
                ("nickname", "x"),
                "put_user.nickname: is no field; they are id, name",
            ),
            (("display.plan", "x"), "put_user.display.plan: is no field"),
            (("name.first", "x"), "name.first: is no field"),
            (
                ("disabled", "perhaps"),
                "put_user.disabled: must be true or false",
            ),
            (("name", ""), "put_user.name: "),
        ] {
            let refused = changed(&Kind::User(ada()), &[set]).unwrap_err();
            assert!(refused.message.contains(says), "{}", refused.message);
            assert_eq!(refused.exit, Exit::Usage);
        }
        for text in ["name", "=x", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
