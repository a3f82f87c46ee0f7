//! Decides how a new secret reaches its holder: shown once, or written to a file that is made before the
//! call. `create` and `rotate` share this code.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokenward_proto::v1::Token;

use super::view;
use crate::{
    exit::{Exit, Failure},
    output::Output,
    secret::{Secret, SecretFile, random},
};

#[derive(Debug, clap::Args)]
pub(super) struct SecretArgs {
    /// Write the secret to this new file (mode 0600) instead of printing it.
    #[arg(long, value_name = "PATH")]
    secret_file: Option<PathBuf>,
    /// Name this request by this id, so that a repeat returns the same secret. Without this option
    /// a random id is drawn.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// The place for a secret that isn't made yet.
pub(super) struct Place {
    file: Option<(SecretFile, PathBuf)>,
    pub(super) request_id: String,
}

/// A secret that was made.
pub(super) struct Made {
    pub(super) token: Token,
    pub(super) secret: Secret,
    pub(super) revision: String,
    /// Describes the parts of the token's scopes that grant nothing.
    pub(super) warnings: Vec<String>,
}

impl SecretArgs {
    /// Prepares the place before the call, so that no secret is made without a place for it.
    pub(super) fn prepare(self) -> Result<Place, Failure> {
        let request_id = match self.request_id {
            Some(id) => id,
            None => hex::encode(random::<16>()?),
        };
        let file = match self.secret_file {
            Some(path) => Some((SecretFile::create(&path)?, path)),
            None => None,
        };
        Ok(Place { file, request_id })
    }
}

impl Place {
    /// Shows or writes the secret. `again` says, for a token's id, what to do when the secret is lost.
    pub(super) fn show(
        self,
        made: &Made,
        again: impl Fn(&str) -> String,
        output: &Output,
    ) -> Result<Exit, Failure> {
        let token = &made.token;
        let mut text = view::card(token);
        let mut value = json!({
            "token": view::json(token),
            "revision": made.revision,
            "request_id": self.request_id,
        });
        warn(&made.warnings, &mut value, output);
        text.push_str(&format!("\nrevision  {}\n", made.revision));
        if made.secret.expose().is_empty() {
            output.answer(&text, &value)?;
            return Err(Failure::new(
                Exit::Conflict,
                "this request is too old to show its secret again",
            )
            .next(again(&token.id)));
        }
        match self.file {
            Some((file, path)) => {
                let lost = format!("its secret is lost: {}", again(&token.id));
                file.write(made.secret.expose())
                    .map_err(|it| it.next(lost))?;
                let path = path.display().to_string();
                text.push_str(&format!("secret    in {path}\n"));
                set(&mut value, "secret_file", path);
                output.answer(&text, &value)?;
            }
            None => {
                text.push_str(&format!("secret    {}\n", made.secret.expose()));
                set(&mut value, "secret", made.secret.expose());
                let lost = format!("its secret is lost: {}", again(&token.id));
                output.once(&text, &value).map_err(|it| it.next(lost))?;
                output.note("The secret is not shown again.");
            }
        }
        Ok(Exit::Ok)
    }
}

fn set(value: &mut Value, key: &str, text: impl Into<String>) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), text.into().into());
    }
}

/// Prints the warnings as notes for people, and adds them to the JSON answer. An empty list is left out.
pub(super) fn warn(warnings: &[String], value: &mut Value, output: &Output) {
    for warning in warnings {
        output.note(&format!("warning: {warning}"));
    }
    if let (false, Some(object)) = (warnings.is_empty(), value.as_object_mut()) {
        object.insert("warnings".into(), warnings.into());
    }
}

/// Adds to a failure how to repeat the request safely: whether an unanswered request was done is unknown.
pub(super) fn repeatable(failure: Failure, request_id: &str, twice: &str) -> Failure {
    if failure.exit != Exit::Unavailable {
        return failure;
    }
    let next = format!(
        "{}; repeat it with --request-id {request_id} within ten minutes and it won't {twice} twice",
        failure.next
    );
    failure.next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unanswered_request_is_to_be_repeated() {
        let late = repeatable(Failure::late("the issuer"), "r1", "mint");
        assert!(late.next.contains("--request-id r1"), "{}", late.next);
        assert!(late.next.ends_with("won't mint twice"), "{}", late.next);
        let wrong = repeatable(Failure::usage("no"), "r1", "mint");
        assert!(wrong.next.is_empty());
    }
}
