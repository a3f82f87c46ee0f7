//! Prints the guide of `dev`: what runs where, and command lines that can be pasted into a shell.

use std::path::Path;

use serde_json::json;

use super::{
    files::Files,
    parts::Parts,
    sample::{PERMISSION, RESOURCE},
};
use crate::{exit::Failure, output::Output};

pub(super) struct Guide<'a> {
    files: &'a Files,
    parts: &'a Parts,
    /// The sample token's id, if there is one.
    token_id: Option<String>,
}

impl<'a> Guide<'a> {
    pub(super) fn new(files: &'a Files, parts: &'a Parts, token_id: Option<String>) -> Self {
        Self {
            files,
            parts,
            token_id,
        }
    }

    pub(super) fn tell(&self, output: &Output) -> Result<(), Failure> {
        let (files, parts) = (self.files, self.parts);
        let (issuer, verifier, door) = (parts.issuer_url(), parts.verifier_url(), parts.door_url());
        let (keys, metrics) = (parts.keys_url(), parts.metrics_url());
        let (credential, token) = (pasted(&files.operator()), pasted(&files.token()));
        let command = command();
        let ca = parts.is_tls().then(|| pasted(&files.ca()));
        // With --tls, each command must trust the authority of this run.
        let command = match &ca {
            Some(ca) => format!("{command} --ca {ca}"),
            None => command,
        };
        let operator = format!("{command} token --issuer {issuer} --credential-file {credential}");
        let kept = match (files.are_kept(), parts.in_redis()) {
            (_, true) => "; the data stays in Redis",
            (true, false) => "",
            (false, false) => "; the data goes with it",
        };
        let mut text = format!(
            "\
Tokenward is running (Ctrl-C ends it{kept}).

  issuer     {issuer}   keys {keys}
  verifier   {verifier}   metrics {metrics}
  HTTP       {door}
  operator   {credential}
"
        );
        if let Some(ca) = &ca {
            let certificate = pasted(&files.certificate("operator"));
            let key = pasted(&files.key("operator"));
            text.push_str(&format!(
                "  authority  {ca}
  or by mTLS --client-certificate {certificate} --client-key {key}
"
            ));
        }
        let mut value = json!({
            "issuer": issuer,
            "verifier": verifier,
            "http": door,
            "keys": keys,
            "metrics": metrics,
            "credential_file": files.operator().display().to_string(),
            "resource": RESOURCE,
            "ca": parts.is_tls().then(|| files.ca().display().to_string()),
        });
        if let Some(id) = &self.token_id {
            let check = format!(
                "{command} check --verifier {verifier} --token-file {token} --permission {PERMISSION} {RESOURCE}"
            );
            let revoke = format!("{operator} revoke {id}");
            // The token is not passed as an argument: every user of the machine can read these.
            let curl = format!(
                "sed 's/^/Authorization: Bearer /' {token} | curl {cacert}-H @- {door}/api/whoami-v2",
                cacert = ca
                    .as_ref()
                    .map(|ca| format!("--cacert {ca} "))
                    .unwrap_or_default(),
            );
            let hf = format!(
                "{trusted}HF_ENDPOINT={door} HF_TOKEN=$(cat {token}) hf auth whoami",
                trusted = ca
                    .as_ref()
                    .map(|ca| format!("SSL_CERT_FILE={ca} "))
                    .unwrap_or_default(),
            );
            text.push_str(&format!(
                "  token      {token}   (token {id} of ada: role read)

The token may read a private model of its owner's org:
  {check}
Whose it is, as the hub's clients ask:
  {curl}
  {hf}
Revoke it:
  {revoke}
And see it refused:
  {check}
"
            ));
            if let Some(value) = value.as_object_mut() {
                value.insert(
                    "token_file".into(),
                    files.token().display().to_string().into(),
                );
                value.insert("token_id".into(), id.as_str().into());
                let commands = json!({ "check": check, "curl": curl, "hf": hf, "revoke": revoke });
                value.insert("commands".into(), commands);
            }
        }
        text.push_str(&format!(
            "
More: {operator} create --owner grace --name ci --role write
      {command} --help"
        ));
        output.answer(&text, &value)
    }
}

/// Returns the path of this program, which works from any folder.
fn command() -> String {
    let called = std::env::current_exe().unwrap_or_else(|_| "tokenward".into());
    pasted(&called)
}

/// Quotes a path as one word for a shell.
fn pasted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&b);
    match text.bytes().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for text in [
            "/tmp/plain-1.x",
            "./my hub/ada.token",
            "it's; $(true)`x`",
            "a=b*?\\",
        ] {
            let line = format!("printf '<%s>' {}", pasted(Path::new(text)));
            let shell = std::process::Command::new("sh")
                .args(["-c", &line])
                .output();
            let printed = String::from_utf8(shell.unwrap().stdout).unwrap();
            assert_eq!(printed, format!("<{text}>"));
        }
        assert_eq!(pasted(Path::new("/tmp/plain-1.x")), "/tmp/plain-1.x");
    }
}
