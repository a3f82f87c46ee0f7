//! `POST /oauth/introspect` (RFC 7662) reports whether a token is live, and who owns it. It is only for
//! operators, since it answers for any token that somebody may have found. The credential comes as Bearer
//! or, as OAuth's clients send it, as the password of Basic.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap,
    body::{Body, Incoming},
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};
use tokenward_common::{
    clock::BootTime,
    process::credentials::{CallerError, Role},
};
use tokenward_proto::v1 as pb;

use super::{HttpDoors, door_request::DoorRequest, whoami::role_word};
use crate::{
    edge::{
        answer::Answer,
        credential::{Credential, user_and_password},
        judge::Outcome,
    },
    grpc::whoami::identity,
    metrics::Unanswered,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// The form has at most this many bytes.
const MAX_BODY: usize = 64 * 1024;
/// A form of the greatest size must arrive within this time.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

pub(super) async fn answer(
    doors: &HttpDoors,
    asked: &DoorRequest<'_>,
    body: Incoming,
    now: BootTime,
) -> Answer {
    if let Err(refused) = permitted(doors, asked) {
        doors.judge.counts.refuse(Unanswered::ExplainRefused);
        return refused;
    }
    let header = |name| {
        asked
            .headers
            .get(name)
            .and_then(|it: &HeaderValue| it.to_str().ok())
    };
    let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    if !kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM)) {
        return asked.plain(
            400,
            "the body must be a form: application/x-www-form-urlencoded",
        );
    }
    let bytes = match read(asked.headers, body).await {
        Form::Whole(bytes) => bytes,
        Form::TooLong => return asked.plain(413, "the body must be at most 64 KiB"),
        Form::Broken => return asked.plain(400, "the body did not come whole"),
    };
    let Some(token) = std::str::from_utf8(&bytes).ok().and_then(token) else {
        return asked.plain(400, "token: must be in the form, once, and not empty");
    };
    let credential = Credential::Token(token.into());
    let _turn = doors.judge.turn(&credential.clone().into()).await;
    match doors.judge.who(&credential, now) {
        Ok(who) => asked.json(&live(doors, identity(who))),
        // RFC 7662 does not report why a token is not live.
        Err(judgement) if matches!(judgement.outcome, Outcome::Denied { .. }) => {
            asked.json(&json!({ "active": false }))
        }
        Err(judgement) => asked.answered(&doors.judge, &judgement),
    }
}

/// Requires the role of an explanation, since introspection reveals as much of other people's tokens.
fn permitted(doors: &HttpDoors, asked: &DoorRequest<'_>) -> Result<(), Answer> {
    let Some(operators) = &doors.operators else {
        let told = "this verifier knows no operators; start it with --operators";
        return Err(asked.plain(401, told));
    };
    let shown = asked.headers.get_all(AUTHORIZATION).iter();
    let shown: Vec<_> = shown.map(|it| bearer(it.as_bytes())).collect();
    operators
        .caller(shown.iter().map(|it| &**it), asked.peer)
        .and_then(|caller| caller.require(&[Role::Explain]))
        .map_err(|error| {
            let status = match error {
                CallerError::Forbidden { .. } => 403,
                _ => 401,
            };
            asked.plain(status, &error.to_string())
        })
}

/// Turns a client's password in Basic into a Bearer value. A value that can't be read stays unchanged, and
/// is refused as what it is.
fn bearer(value: &[u8]) -> Cow<'_, [u8]> {
    match secret(value) {
        Some(secret) => Cow::Owned(format!("Bearer {secret}").into_bytes()),
        None => Cow::Borrowed(value),
    }
}

/// Returns the password. By RFC 6749, section 2.3.1, user and password are written as in a form. The user
/// may be anything that the client's settings require, since the credential identifies the operator.
fn secret(value: &[u8]) -> Option<String> {
    let (_, password) = user_and_password(value)?;
    unescaped(&password)
}

enum Form {
    Whole(Bytes),
    TooLong,
    /// The form never arrived whole.
    Broken,
}

async fn read<B>(headers: &HeaderMap, body: B) -> Form
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    let length: Option<usize> = length.and_then(|it| it.parse().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Form::TooLong;
    }
    if body.is_end_stream() {
        return Form::Whole(Bytes::new());
    }
    let limited = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_DEADLINE, limited).await {
        Ok(Ok(collected)) => Form::Whole(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Form::TooLong,
        Ok(Err(_)) | Err(_) => Form::Broken,
    }
}

/// Returns the one `token` of a form.
fn token(form: &str) -> Option<String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let mut tokens = pairs.filter(|(name, _)| *name == "token");
    let (_, token) = tokens.next().filter(|(_, token)| !token.is_empty())?;
    tokens.next().is_none().then(|| unescaped(token))?
}

/// Decodes text as in a form. Needless escapes are accepted, since the text is not a path.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn live(doors: &HttpDoors, identity: pb::Identity) -> Value {
    let owner = identity.owner.unwrap_or_default();
    let token = identity.token.unwrap_or_default();
    let expected = &doors.judge.decider.expected;
    let mut document = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": owner.id,
        "username": owner.name,
        "iss": &*expected.issuer,
        "aud": &*expected.audience,
        "iat": token.create_time.map(|time| time.seconds),
        "token_id": token.id,
        "role": role_word(token.role()),
    });
    if let (Some(end), Some(fields)) = (token.expire_time, document.as_object_mut()) {
        fields.insert("exp".into(), end.seconds.into());
    }
    document
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn basic_has_the_credential_for_a_password_written_as_in_a_form() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (pair, expected) in [
            ("router:twc_0a", Some("twc_0a")),
            ("my%3Arouter:twc%5F0a", Some("twc_0a")),
            (":twc_0a", Some("twc_0a")),
            ("a:b+c", Some("b c")),
            ("a:b:c", Some("b:c")),
            // A user without a password does not count as a password.
            ("twc_0a:", Some("")),
            ("twc_0a", None),
            ("a:%zz", None),
            ("a:%5", None),
            ("a:%ff", None),
        ] {
            assert_eq!(
                secret(basic(pair).as_bytes()).as_deref(),
                expected,
                "{pair}"
            );
        }
        for other in ["", "Bearer twc_0a", "Basic", "Basic %%%", "twc_0a"] {
            assert_eq!(&*bearer(other.as_bytes()), other.as_bytes(), "{other}");
        }
    }

    #[test]
    fn a_form_has_one_token() {
        assert_eq!(
            token("token=tw_a.b-c_d&token_type_hint=x").as_deref(),
            Some("tw_a.b-c_d")
        );
        for form in [
            "",
            "token=",
            "token",
            "a=b",
            "token=a&token=b",
            "Token=a",
            "token=%zz",
        ] {
            assert_eq!(token(form), None, "{form}");
        }
    }
}
