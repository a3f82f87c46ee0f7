//! `tokenward keys list` shows the keys of one issuer.

use serde_json::{Value, json};
use tokenward_proto::v1::{Key, KeyState, ListKeysRequest};

use super::connect;
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    table,
    words::word_of,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward keys list
  tokenward keys list --issuer https://tokens.example.org:8470 --json

A key has one of these states:
  published  verifiers can know the key, and it does not sign yet
  active     the key signs
  retired    the key is known for the tokens that it signed
  withdrawn  everything that the key signed is refused for ever
Each issuer answers for itself: ask every issuer after a rotation.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(_: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (mut keys, _, server) = connect(global).await?;
    let answer = server
        .call(ListKeysRequest {}, |it| keys.list_keys(it))
        .await?;
    output.answer(&text(&answer.keys), &value(&answer.keys))?;
    Ok(Exit::Ok)
}

fn text(keys: &[Key]) -> String {
    let mut rows = vec![["KEY", "STATE", "PUBLIC"].map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(|key| {
        let public = match key.x.as_str() {
            "" => "(not among this issuer's files)",
            x => x,
        };
        vec![
            key.key_id.clone(),
            word_of::<KeyState>(key.state),
            public.to_owned(),
        ]
    }));
    table::columns(&rows)
}

fn value(keys: &[Key]) -> Value {
    let key = |key: &Key| {
        json!({
            "key_id": key.key_id,
            "state": word_of::<KeyState>(key.state),
            "x": Some(&key.x).filter(|x| !x.is_empty()),
        })
    };
    keys.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_aligned() {
        let key = |id: &str, state: KeyState, x: &str| Key {
            key_id: id.into(),
            state: state.into(),
            x: x.into(),
        };
        let keys = [
            key("2026-11", KeyState::Active, "AAA"),
            key("k0", KeyState::Withdrawn, ""),
        ];
        assert_eq!(
            text(&keys),
            "\
KEY      STATE      PUBLIC
2026-11  active     AAA
k0       withdrawn  (not among this issuer's files)
"
        );
        assert_eq!(
            value(&keys)[1],
            json!({"key_id": "k0", "state": "withdrawn", "x": null})
        );
    }
}
