//! `POST /oauth/introspect` (RFC 7662): is this token live, and whose is it? For operators alone: it
//! answers for any token that somebody may have found.

use hyper::{
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};
use tokenward_common::{
    clock::BootTime,
    process::credentials::{CallerError, Role},
};
use tokenward_proto::v1 as pb;

use super::{Asked, HttpDoors, Read, read, whoami::role_word};
use crate::{
    edge::{answer::Answer, credential::Credential, judge::Outcome, path::form_decoded},
    grpc::whoami::identity,
    metrics::Refusal,
};

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) async fn answer(
    doors: &HttpDoors,
    asked: &Asked<'_>,
    body: Incoming,
    now: BootTime,
) -> Answer {
    if let Err(refused) = permitted(doors, asked) {
        doors.judge.counts.refuse(Refusal::ExplainRefused);
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
        Read::Whole(bytes) => bytes,
        Read::TooLong => return asked.plain(413, "the body must be at most 64 KiB"),
        Read::Broken => return asked.plain(400, "the body did not come whole"),
    };
    let Some(token) = std::str::from_utf8(&bytes).ok().and_then(token) else {
        return asked.plain(400, "token: must be in the form, once, and not empty");
    };
    match doors.judge.who(&Credential::Token(token.into()), now) {
        Ok(who) => asked.json(&live(doors, identity(who))),
        // Why not, RFC 7662 doesn't tell.
        Err(judgement) if matches!(judgement.outcome, Outcome::Denied { .. }) => {
            asked.json(&json!({ "active": false }))
        }
        Err(judgement) => asked.answered(doors, &judgement),
    }
}

/// As for an explanation: it tells as much of other people's tokens.
fn permitted(doors: &HttpDoors, asked: &Asked<'_>) -> Result<(), Answer> {
    let Some(operators) = &doors.operators else {
        let told = "this verifier knows no operators; start it with --operators";
        return Err(asked.plain(401, told));
    };
    let shown = asked.headers.get_all(AUTHORIZATION).iter();
    operators
        .caller(shown.map(HeaderValue::as_bytes), asked.peer.address())
        .and_then(|caller| caller.require(&[Role::Explain]))
        .map_err(|error| {
            let status = match error {
                CallerError::Forbidden { .. } => 403,
                _ => 401,
            };
            asked.plain(status, &error.to_string())
        })
}

/// The one `token` of a form.
fn token(form: &str) -> Option<String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let mut tokens = pairs.filter(|(name, _)| *name == "token");
    let (_, token) = tokens.next().filter(|(_, token)| !token.is_empty())?;
    tokens
        .next()
        .is_none()
        .then(|| form_decoded(token).ok().map(|token| token.into_owned()))?
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
    use super::token;

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
