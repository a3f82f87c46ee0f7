//! The regex that is published for secret scanners: it finds every token, whole, wherever one is
//! pasted, and nothing else.

use std::path::Path;

use regex::Regex;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, KeyId, Serial, TokenId},
    token::{
        Claims, EntityKind, Prefix, Role, SCANNER_REGEX, Scope, Scopes, SigningKey, redact, sign,
    },
};

/// Where people leave tokens. `{}` is the token.
const PLACES: [&str; 24] = [
    "{}",
    "export HF_TOKEN={}\n",
    "HF_TOKEN='{}' python train.py",
    "Authorization: Bearer {}\r\n",
    "curl -H \"Authorization: Bearer {}\" https://hub.example/api/whoami-v2",
    "git clone https://ada:{}@hub.example/acme/llama",
    "git clone https://{}@hub.example/acme/llama",
    "https://hub.example/x?token={}&y=1",
    "{\"token\":\"{}\",\"n\":1}",
    "token: {}",
    "token: '{}'  # laptop",
    "login(token=\"{}\")",
    "<token>{}</token>",
    "| laptop | {} |",
    "`{}`",
    "({})",
    "[{}]",
    "{},",
    "It is {}.",
    "Is it {}?",
    "\t{}\t",
    "+HUB_TOKEN={}",
    "{};",
    "2026-11-26T10:00:00Z INFO got {} from 10.0.0.1:443",
];

/// What a scanner must leave alone.
const OTHERS: [&str; 16] = [
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
    "eyJ0eXAiOiJKV1QifQ.eyJpc3MiOiJ4In0.c2lnbmF0dXJl",
    "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.AAAA",
    "tw_",
    "tw_***",
    "the prefix is tw_ and then a JWT",
    "tw_eyJ",
    "tw_eyJ0eXAiOiJ1YXQrand0In0",
    "tw_eyJ0eXAiOiJ1YXQrand0In0.eyJpc3MiOiJ4In0",
    "tw_eyJ0eXAi..c2ln",
    "tw_2f9a.b.c",
    "btw_eyJ0eXAi.eyJpc3Mi.c2ln",
    "TW_EYJ0EXAI.EYJPC3MI.C2LU",
    "9b2f0c9e-0f3b-4a53-8d5e-2a8c0b7f6a11",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 ada@laptop",
];

/// Tokens of about every length from the shortest to the longest.
fn tokens() -> Vec<String> {
    let key = SigningKey::from_seed(KeyId::parse("k1").unwrap(), &[9; 32]).unwrap();
    let claims = |serial: u64, scoped: usize, name: usize| Claims {
        iss: "https://t.co".into(),
        aud: "h".into(),
        sub: AccountId::parse("u1").unwrap(),
        serial: Serial(serial),
        tid: TokenId(serial),
        name: "n".repeat(name).into(),
        iat: UnixTime(1_790_000_000),
        exp: None,
        role: if scoped == 0 {
            Role::Read
        } else {
            Role::FineGrained
        },
        scopes: (scoped > 0).then(|| Scopes {
            scoped: (0..scoped)
                .map(|number| Scope {
                    kind: EntityKind::Model,
                    id: format!("m{number}").into(),
                    permissions: vec!["repo.content.read".into()],
                    patterns: Vec::new(),
                })
                .collect(),
            ..Scopes::default()
        }),
    };
    let mut all = Vec::new();
    for scoped in 0..40 {
        for name in [1, 2, 3, 40, 100] {
            let serial = 1 + scoped as u64 * 1000 + name as u64;
            // What would be too long isn't minted.
            all.extend(sign(
                &claims(serial, scoped, name),
                &Prefix::default(),
                &key,
            ));
        }
    }
    all
}

#[test]
fn every_token_is_found_and_nothing_else() {
    let regex = Regex::new(SCANNER_REGEX).unwrap();
    let tokens = tokens();
    let lengths: Vec<_> = tokens.iter().map(String::len).collect();
    let (shortest, longest) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
    assert!(
        tokens.len() > 100 && *shortest < 320 && *longest > 3900,
        "{shortest} to {longest}"
    );
    let mut corpus = String::new();
    let mut planted = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        // Fit for a URL, a header, a git credential.
        let fit = |byte: u8| byte.is_ascii_graphic() && !b":/@%".contains(&byte);
        assert!(token.starts_with("tw_") && token.bytes().all(fit));
        for place in PLACES {
            let text = place.replace("{}", token);
            let found: Vec<_> = regex.find_iter(&text).map(|it| it.as_str()).collect();
            assert_eq!(found, [token.as_str()], "{place}");
            // The same that scanners see is what our own logs never show, to the last character.
            let safe = redact(&text, &Prefix::default());
            let tail = token.rsplit('.').next().unwrap();
            assert!(
                safe == place.replace("{}", "tw_***") || place.contains("{}."),
                "{safe}"
            );
            assert!(!safe.contains(&tail[tail.len() - 8..]), "{place}");
        }
        corpus.push_str(OTHERS[number % OTHERS.len()]);
        corpus.push('\n');
        corpus.push_str(&PLACES[number % PLACES.len()].replace("{}", token));
        corpus.push('\n');
        planted.push(token.as_str());
    }
    for other in OTHERS {
        assert!(!regex.is_match(other), "{other}");
    }
    let found: Vec<_> = regex.find_iter(&corpus).map(|it| it.as_str()).collect();
    assert_eq!(found, planted);
}

/// Text of another kind: this project's own. It names tokens on every page and holds none.
#[test]
fn nothing_is_found_in_the_sources() {
    let regex = Regex::new(SCANNER_REGEX).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<_> = ["proto", "common/src", "issuer", "verifier", "cli", "tests"]
        .map(|name| root.join(name))
        .into();
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let found: Vec<_> = regex.find_iter(&text).map(|it| it.as_str()).collect();
                let own = path.file_name().is_some_and(|name| name == "scanner.rs");
                assert!(own || found.is_empty(), "{}: {found:?}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 150, "{read}");
}
