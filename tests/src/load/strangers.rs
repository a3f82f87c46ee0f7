//! Tokens that nobody made: as many as are sent, each from a real one by another signature.

use std::ops::Range;

use tokenward_proto::v1::{
    CheckRequest, RepoKind, RepoRef, Resource, check_request::Caller, resource,
};

/// Where a signature is changed: in the low bytes of its second half. What comes out is a number that may
/// stand there, so that the verifier has to do the whole check.
const PART: Range<usize> = 44..52;

/// Returns where the token's signature is changed in a message that has the token in it.
pub fn signature(message: &[u8], token: &str) -> Option<Range<usize>> {
    let at = message
        .windows(token.len())
        .position(|it| it == token.as_bytes())?;
    let begin = at + token.rfind('.')? + 1;
    let part = begin + PART.start..begin + PART.end;
    (part.end <= at + token.len()).then_some(part)
}

/// Writes a number in the alphabet of base64url.
pub(super) fn vary(part: &mut [u8], number: usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut rest = number;
    for place in part {
        *place = ALPHABET.get(rest % ALPHABET.len()).copied().unwrap_or(b'A');
        rest /= ALPHABET.len();
    }
}

/// Asks whether the token may do this with a model.
pub fn question(token: &str, repo: &str, permission: &str) -> CheckRequest {
    let repo = RepoRef {
        kind: RepoKind::Model.into(),
        name: repo.into(),
        ..RepoRef::default()
    };
    CheckRequest {
        caller: Some(Caller::Token(token.into())),
        resource: Some(Resource {
            resource: Some(resource::Resource::Repo(repo)),
        }),
        permission: permission.into(),
        ..CheckRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prost::Message as _;

    use super::*;

    #[test]
    fn no_two_tokens_are_alike_and_all_else_stays() {
        let token = format!("tw_{}.{}", "a".repeat(100), "s".repeat(86));
        let question = question(&token, "acme/model.v2", "repo.content.read");
        let mut message = question.encode_to_vec();
        let part = signature(&message, &token).unwrap();
        let mut seen = HashSet::new();
        for number in 0..70_000 {
            vary(&mut message[part.clone()], number);
            seen.insert(message.clone());
        }
        assert_eq!(seen.len(), 70_000);
        let changed = CheckRequest::decode(message.as_slice()).unwrap();
        let Some(Caller::Token(other)) = &changed.caller else {
            panic!("a token")
        };
        let same = |range: Range<usize>| other.get(range.clone()) == token.get(range);
        let signature = token.rfind('.').unwrap() + 1;
        assert!(same(0..signature + PART.start) && same(signature + PART.end..token.len()));
        let rest = CheckRequest {
            caller: question.caller.clone(),
            ..changed
        };
        assert_eq!(rest, question);
        assert_eq!(super::signature(&message, "not in it"), None);
    }
}
