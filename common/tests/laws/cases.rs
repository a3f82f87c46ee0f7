//! The table of cases that anybody can read and extend, through the library's decision: each token
//! is signed, verified and compiled as a verifier does it.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenward_common::{
    access::{Ceiling, Permission, Principal, Refusal, Target, TokenFacts, evaluate},
    clock::UnixTime,
    id::{AccountId, KeyId, Serial, TokenId},
    state::{Entry, State, record::Change},
    token::{
        Claims, Expected, Prefix, SigningKey, TokenError, Verified, VerifyKeys, install_provider,
        sign, verify,
    },
};
use tokenward_proto::v1::Reason;

use crate::{
    case_hub::{Hub, repo_kind},
    case_row::{Caller, Row, Token, read},
    history::{LOG, cursor},
};

const HUB: &str = include_str!("../../../tests/cases/hub.txt");
const CASES: &str = include_str!("../../../tests/cases/permissions.tsv");

/// Lines of the checklist that the table must prove, by what it allows and by what it denies.
const PROVED: [&str; 16] = [
    "H10", "H12", "H13", "H14", "H15", "H16", "H17", "H18", "H20", "H21", "H22", "H23", "H24",
    "H25", "H48", "H52",
];

fn apply(state: &mut State, changes: Vec<Change>) {
    let at = state.cursor();
    let entry = Entry {
        cursor: cursor(at.revision.0 + 1),
        predecessor: at.fingerprint,
        serial: Serial(0),
        time: Default::default(),
        changes,
    };
    state.apply(&entry).unwrap();
}

fn key(kid: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyId::parse(kid).unwrap(), &[seed; 32]).unwrap()
}

/// As the hub's issuer makes it, or as a forger does.
fn mint(token: &Token<'_>) -> String {
    let claims = Claims {
        iss: "https://issuer.example".into(),
        aud: "hub".into(),
        sub: AccountId::parse(token.owner).unwrap(),
        serial: Serial(1),
        tid: TokenId(1),
        name: "case".into(),
        iat: UnixTime(1),
        exp: None,
        role: token.role,
        scopes: token.scopes.clone(),
    };
    let prefix = Prefix::default();
    let good = |claims: &Claims| sign(claims, &prefix, &key("k1", 1)).unwrap();
    let with_header = |header: &str| {
        let whole = good(&claims);
        let (_, rest) = whole.split_once('.').unwrap();
        let header = URL_SAFE_NO_PAD.encode(header);
        format!("{}{header}.{rest}", prefix.as_str())
    };
    match token.forged {
        None => good(&claims),
        Some("key") => sign(&claims, &prefix, &key("k2", 2)).unwrap(),
        Some("signature") => sign(&claims, &prefix, &key("k1", 2)).unwrap(),
        Some("algorithm") => with_header(r#"{"typ":"uat+jwt","alg":"none","kid":"k1"}"#),
        Some("type") => with_header(r#"{"typ":"JWT","alg":"EdDSA","kid":"k1"}"#),
        Some("realm") => good(&Claims {
            aud: "elsewhere".into(),
            ..claims.clone()
        }),
        Some("issuer") => good(&Claims {
            iss: "https://evil.example".into(),
            ..claims.clone()
        }),
        Some("cut") => good(&claims).chars().take(60).collect(),
        Some("rubbish") => "hunter2".into(),
        Some(how) => panic!("{how}: unknown forgery"),
    }
}

fn genuine(text: &str) -> Result<Verified, Reason> {
    let keys = VerifyKeys::new([key("k1", 1).public().clone()]).unwrap();
    let expected = Expected {
        issuer: "https://issuer.example".into(),
        audience: "hub".into(),
        prefix: Prefix::default(),
    };
    verify(text, &expected, &keys).map_err(|error| match error {
        TokenError::Malformed => Reason::TokenMalformed,
        TokenError::KeyUnknown => Reason::TokenKeyUnknown,
        TokenError::Signature => Reason::TokenSignature,
        TokenError::Claims => Reason::TokenClaims,
    })
}

fn target(state: &State, (kind, name): (&str, &str)) -> Option<Target> {
    if kind == "user" || kind == "org" {
        return state.account_by_name(name).map(Target::Account);
    }
    let (_, kind) = repo_kind(kind)?;
    let (owner, name) = name.split_once('/')?;
    state.repo_by_name(kind, owner, name).map(Target::Repo)
}

fn answer(row: &Row<'_>) -> Option<Reason> {
    let mut hub = Hub::read(HUB);
    for change in &row.hub {
        hub.say(change);
    }
    let mut state = State::new(LOG);
    for changes in hub.changes.chunks(100) {
        apply(&mut state, changes.to_vec());
    }
    let verified = match &row.caller {
        Caller::Anonymous => None,
        Caller::Token(token) => match genuine(&mint(token)) {
            Ok(verified) => Some(verified),
            Err(reason) => return Some(reason),
        },
    };
    let claims = verified.as_ref().map(Verified::claims);
    let ceiling = claims.map(|claims| Ceiling::compile(claims.role, claims.scopes.as_ref()));
    let principal = match (claims, &ceiling) {
        (Some(claims), Some(ceiling)) => match state.account_by_id(claims.sub.as_str()) {
            Some(owner) => Principal::Token {
                owner,
                ceiling,
                token: TokenFacts {
                    id: claims.tid,
                    serial: claims.serial,
                },
            },
            None => return Some(Reason::OwnerUnknown),
        },
        _ => Principal::Anonymous,
    };
    let permission = Permission::parse(row.permission)
        .unwrap_or_else(|| panic!("line {}: {}?", row.number, row.permission));
    target(&state, row.resource)
        .ok_or(Refusal::NotFound)
        .and_then(|target| evaluate(&state, &principal, target, permission))
        .err()
        .map(|refusal| Reason::try_from(refusal.number()).unwrap())
}

#[test]
fn every_case_is_answered_as_the_table_says() {
    install_provider().unwrap();
    let mut wrong = Vec::new();
    let rows = read(CASES);
    for row in &rows {
        let expected = row.refused.map(|reason| format!("REASON_{reason}"));
        let got = answer(row).map(|reason| reason.as_str_name().to_owned());
        if got != expected {
            wrong.push(format!("line {}: got {got:?}, {row:?}", row.number));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 150, "{} cases", rows.len());
}

#[test]
fn every_line_of_the_checklist_is_proved_both_ways() {
    let mut proofs: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in read(CASES) {
        let question = format!(
            "{:?}",
            (&row.hub, &row.caller, row.resource, row.permission)
        );
        assert!(seen.insert(question), "line {}: asked before", row.number);
        for line in &row.lines {
            proofs
                .entry(line)
                .or_default()
                .insert(row.refused.is_none());
        }
    }
    for line in PROVED {
        let both = proofs.get(line).is_some_and(|answers| answers.len() == 2);
        assert!(both, "{line}: one case that allows, one that denies");
    }
    // What only says why not.
    assert!(proofs.contains_key("H26"));
}
