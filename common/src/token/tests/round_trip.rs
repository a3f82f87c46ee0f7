//! Tests that verify what was minted, and compare our verdict with jsonwebtoken's on the same string.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{
    id::MAX_NUMBER,
    token::{ClaimsError, MAX_TOKEN, SignError, install_provider},
};

fn scope() -> impl Strategy<Value = Scope> {
    (
        select(EntityKind::ALL),
        "[A-Za-z0-9._-]{1,24}",
        vec("[a-z]{1,12}(\\.[a-z]{1,8}){0,2}", 0..3),
        vec("[\\PC]{1,12}", 0..3),
    )
        .prop_map(|(kind, id, permissions, patterns)| Scope {
            kind,
            id: id.into(),
            permissions: permissions.into_iter().map(Into::into).collect(),
            patterns: patterns.into_iter().map(Into::into).collect(),
        })
}

fn scopes() -> impl Strategy<Value = Scopes> {
    (
        vec(scope(), 0..5),
        vec("[a-z]{1,12}\\.[a-z]{1,8}", 0..3),
        any::<bool>(),
    )
        .prop_map(|(scoped, global, can_read_gated_repos)| Scopes {
            scoped,
            global: global.into_iter().map(Into::into).collect(),
            can_read_gated_repos,
        })
}

fn any_claims() -> impl Strategy<Value = Claims> {
    let numbers = (1..MAX_NUMBER).prop_flat_map(|serial| (Just(serial), 1..=serial));
    let times =
        (0..MAX_NUMBER - 1).prop_flat_map(|iat| (Just(iat), option::of(iat + 1..MAX_NUMBER)));
    let rights = prop_oneof![
        scopes().prop_map(|scopes| (Role::FineGrained, Some(scopes))),
        Just((Role::Read, None)),
        Just((Role::Write, None)),
    ];
    // Names may hold any characters, quotes and control characters too.
    (
        "[A-Za-z0-9._-]{1,64}",
        numbers,
        "(?s).{1,100}",
        times,
        rights,
    )
        .prop_map(
            |(sub, (serial, tid), name, (iat, exp), (role, scopes))| Claims {
                sub: AccountId::parse(&sub).unwrap(),
                serial: Serial(serial),
                tid: TokenId(tid),
                name: name.into(),
                iat: UnixTime(iat),
                exp: exp.map(UnixTime),
                role,
                scopes,
                ..claims()
            },
        )
}

fn jsonwebtoken_accepts(token: &str) -> bool {
    install_provider().unwrap();
    let Some(jwt) = token.strip_prefix("tw_") else {
        return false;
    };
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    validation.set_issuer(&["https://issuer.example"]);
    validation.set_audience(&["hub"]);
    let key = DecodingKey::from_ed_der(key().public().as_bytes());
    jsonwebtoken::decode::<Value>(jwt, &key, &validation).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn minting_then_verifying_is_identity(claims in any_claims()) {
        match sign(&claims, &Prefix::default(), &key()) {
            Ok(token) => {
                prop_assert!(token.len() <= MAX_TOKEN);
                let verified = check(&token).unwrap();
                prop_assert_eq!(verified.claims(), &claims);
                prop_assert_eq!(verified.kid().as_str(), "2026-11");
                prop_assert!(jsonwebtoken_accepts(&token));
            }
            Err(refused) => prop_assert!(matches!(refused, SignError::TooLong)),
        }
    }

    #[test]
    fn ours_and_jsonwebtoken_agree_on_corrupted_tokens(
        at in any::<prop::sample::Index>(),
        put in "[ -~]",
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut token = good();
        let at = at.index(token.len());
        token.replace_range(at..=at, &put);
        if let Some(cut) = cut {
            token.truncate(cut.index(token.len()));
        }
        let ours = check(&token).is_ok();
        prop_assert_eq!(ours, token == good());
        prop_assert_eq!(ours, jsonwebtoken_accepts(&token));
    }

    #[test]
    fn no_string_makes_it_panic(text in "(tw_)?\\PC{0,200}", a in "[A-Za-z0-9_=-]{0,60}") {
        prop_assert!(check(&text).is_err());
        let text = format!("tw_{}.{a}.{a}", b64(HEADER));
        prop_assert!(check(&text).is_err());
    }
}

#[test]
fn what_a_verifier_would_refuse_is_not_signed() {
    type Change = fn(&mut Claims);
    let cases: [(Change, ClaimsError); 18] = [
        (|c| c.iss = "".into(), ClaimsError::Issuer),
        (|c| c.aud = "".into(), ClaimsError::Issuer),
        (|c| c.serial = Serial(0), ClaimsError::Serial),
        (|c| c.tid = TokenId(0), ClaimsError::Serial),
        (|c| c.tid = TokenId(8), ClaimsError::Serial),
        (|c| c.serial = Serial(MAX_NUMBER), ClaimsError::Serial),
        (|c| c.name = "".into(), ClaimsError::Name),
        (|c| c.name = "é".repeat(101).into(), ClaimsError::Name),
        (|c| c.exp = Some(c.iat), ClaimsError::Time),
        (|c| c.exp = Some(UnixTime(MAX_NUMBER)), ClaimsError::Time),
        (|c| c.role = Role::Write, ClaimsError::Role),
        (|c| c.scopes = None, ClaimsError::Role),
        (|c| scope_of(c).id = "a/b".into(), ClaimsError::EntityId),
        (
            |c| scope_of(c).permissions.push("".into()),
            ClaimsError::Permission,
        ),
        (
            |c| scope_of(c).permissions.push("a b".into()),
            ClaimsError::Permission,
        ),
        (
            |c| scope_of(c).patterns.push("".into()),
            ClaimsError::Pattern,
        ),
        (
            |c| scope_of(c).patterns.push("a\nb".into()),
            ClaimsError::Pattern,
        ),
        (
            |c| {
                let scope = scope_of(c).clone();
                c.scopes.as_mut().unwrap().scoped = vec![scope; 513];
            },
            ClaimsError::TooManyScopes,
        ),
    ];
    for (number, (change, rule)) in cases.into_iter().enumerate() {
        let mut claims = claims();
        change(&mut claims);
        let refused = sign(&claims, &Prefix::default(), &key());
        assert!(
            matches!(refused, Err(SignError::Claims(got)) if got == rule),
            "case {number}"
        );
        // Such claims are also refused if they are signed by other means.
        let text = serde_json::to_string(&claims).unwrap();
        if text.len() < 2500 {
            assert_eq!(
                check(&signed(HEADER, &text)),
                Err(TokenError::Claims),
                "case {number}"
            );
        }
    }
}

fn scope_of(claims: &mut Claims) -> &mut Scope {
    &mut claims.scopes.as_mut().unwrap().scoped[0]
}

#[test]
fn the_longest_token_is_4096_bytes() {
    let mut claims = claims();
    let mut longest = 0;
    loop {
        // Each round lengthens the last pattern by a character, or adds one, so every length occurs.
        match sign(&claims, &Prefix::default(), &key()) {
            Ok(token) => {
                longest = token.len();
                assert_eq!(check(&token).unwrap().claims(), &claims);
            }
            Err(refused) => {
                assert!(matches!(refused, SignError::TooLong));
                break;
            }
        }
        let patterns = &mut scope_of(&mut claims).patterns;
        match patterns.last_mut() {
            Some(last) if last.len() < 200 => *last = format!("{last}a").into(),
            _ => patterns.push("a".into()),
        }
    }
    assert!((4090..=4096).contains(&longest), "{longest}");
    let text = serde_json::to_string(&claims).unwrap();
    assert_eq!(check(&signed(HEADER, &text)), Err(TokenError::Malformed));
}

#[test]
fn the_prefix_is_the_realms() {
    let hf = Prefix::parse("hf_").unwrap();
    let token = sign(&claims(), &hf, &key()).unwrap();
    assert!(token.starts_with("hf_eyJ"));
    assert_eq!(check(&token), Err(TokenError::Malformed));
    let expected = Expected {
        prefix: hf,
        ..expected()
    };
    assert!(verify(&token, &expected, &keys()).is_ok());
    assert!(
        token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    );
}
