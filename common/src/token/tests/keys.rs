//! Tests of key files and key documents.

use super::*;
use crate::{
    id::LogId,
    token::{
        EntryError, JwksError, KeyDocument, KeyError, MAX_KEYS, PublicKey, SigningKeyError,
        Unusable,
    },
};

/// One key without and with its public half (RFC 8410, section 10.3).
const RFC_8410_V1: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const RFC_8410_PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

fn kid(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

#[test]
fn key_files_are_read_and_written() {
    let key = SigningKey::from_pkcs8(kid("k"), RFC_8410_V1.as_bytes()).unwrap();
    assert_eq!(hex::encode(key.public().as_bytes()), RFC_8410_PUBLIC);
    assert_eq!(key.to_pkcs8_pem().unwrap().as_str(), RFC_8410_V1);
    let base64: String = RFC_8410_V1
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap();
    let same = SigningKey::from_pkcs8(kid("k"), &der).unwrap();
    assert_eq!(same.public(), key.public());

    let one = SigningKey::generate(kid("k")).unwrap();
    let pem = one.to_pkcs8_pem().unwrap();
    let read = SigningKey::from_pkcs8(kid("k"), pem.as_bytes()).unwrap();
    assert_eq!(read.public(), one.public());
    assert_ne!(
        SigningKey::generate(kid("k")).unwrap().public(),
        one.public()
    );
}

#[test]
fn other_files_are_refused() {
    let rsa_like = "-----BEGIN RSA PRIVATE KEY-----\nMC4CAQAw\n-----END RSA PRIVATE KEY-----\n";
    // The public key's OID is X25519's.
    let x25519 = RFC_8410_V1.replace("K2Vw", "K2Vu");
    let cut = &RFC_8410_V1[..80];
    for bad in ["", "-----BEGIN", "secret", rsa_like, &x25519, cut] {
        let refused = SigningKey::from_pkcs8(kid("k"), bad.as_bytes());
        assert!(matches!(refused, Err(SigningKeyError::NotPkcs8)), "{bad}");
    }
    // This is version 2 with a public half of another key.
    let mut two = hex::decode("3051020101300506032b657004220420").unwrap();
    two.extend([42; 32]);
    two.extend(hex::decode("812100").unwrap());
    let mut right = two.clone();
    two.extend(hex::decode(RFC_8410_PUBLIC).unwrap());
    right.extend(key().public().as_bytes());
    assert!(SigningKey::from_pkcs8(kid("k"), &right).is_ok());
    assert!(SigningKey::from_pkcs8(kid("k"), &two).is_err());
}

#[test]
fn the_secret_is_not_shown() {
    let text = format!("{:?}", key());
    assert_eq!(text, r#"SigningKey { kid: KeyId(2026-11), .. }"#);
}

/// Keys that are made and dropped concurrently never sign for one another.
#[test]
fn dropped_keys_leave_the_others_alone() {
    let threads: Vec<_> = (0..4u8)
        .map(|n| {
            std::thread::spawn(move || {
                for round in 0..8 {
                    let key = SigningKey::from_seed(kid("k"), &[n * 8 + round; 32]).unwrap();
                    let token = sign(&claims(), &Prefix::default(), &key).unwrap();
                    let keys = VerifyKeys::new([key.public().clone()]).unwrap();
                    assert!(verify(&token, &expected(), &keys).is_ok());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn document() -> KeyDocument {
    KeyDocument {
        keys: keys(),
        realm: Some("hub".into()),
        issuer: Some("https://issuer.example".into()),
        log_id: Some(LogId([7; 16])),
        ..KeyDocument::default()
    }
}

fn parsed(change: impl FnOnce(&mut Value)) -> Result<KeyDocument, JwksError> {
    let mut value: Value = serde_json::from_str(&document().to_json().unwrap()).unwrap();
    change(&mut value);
    KeyDocument::parse(value.to_string().as_bytes())
}

#[test]
fn documents_round_trip() {
    let text = document().to_json().unwrap();
    let x = b64(key().public().as_bytes());
    assert_eq!(
        text,
        format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"2026-11","x":"{x}"}}],"realm":"hub","issuer":"https://issuer.example","log_id":"07070707070707070707070707070707"}}"#
        )
    );
    assert_eq!(KeyDocument::parse(text.as_bytes()).unwrap(), document());
    let without = KeyDocument {
        log_id: None,
        ..document()
    };
    let text = without.to_json().unwrap();
    assert!(!text.contains("log_id"));
    assert_eq!(KeyDocument::parse(text.as_bytes()).unwrap(), without);
}

#[test]
fn keys_for_other_uses_are_skipped() {
    let others = parsed(|d| {
        let keys = d["keys"].as_array_mut().unwrap();
        keys.push(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a b"}));
        keys.push(json!({"kty": "EC", "crv": "P-256", "x": "", "y": ""}));
        keys.push(json!({"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "x"}));
        keys.push(json!({"kty": "OKP", "crv": "Ed25519", "use": "enc"}));
        keys.push(json!({"kty": "unheard of", "x5c": [1, 2]}));
        d["unheard of"] = json!({});
        d["keys"][0]["key_ops"] = json!(["verify"]);
    });
    assert_eq!(others.unwrap(), document());
}

fn none_usable(parsed: Result<KeyDocument, JwksError>, wanted: EntryError) -> bool {
    matches!(parsed, Err(JwksError::NoneUsable(why)) if why == wanted)
}

fn other() -> PublicKey {
    let key = SigningKey::from_seed(kid("other"), &[5; 32]).unwrap();
    key.public().clone()
}

/// RFC 7517, section 5, requires that a reader ignores entries that it can't use.
#[test]
fn an_entry_that_can_not_be_used_leaves_the_others() {
    let entry = |kid: Value, x: Value| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x});
    let good = json!(b64(other().as_bytes()));
    let weak = json!(b64([0; 32]));
    for (bad, named, why) in [
        (entry(json!("k2"), json!("AAAA")), Some("k2"), EntryError::X),
        (entry(json!("k2"), weak), Some("k2"), KeyError::Weak.into()),
        (entry(json!("a b"), good.clone()), None, EntryError::Kid),
        (entry(json!(7), good.clone()), None, EntryError::Form),
        (entry(json!("k2"), json!([1])), Some("k2"), EntryError::Form),
        (json!({"kid": "k2"}), Some("k2"), EntryError::Form),
    ] {
        for place in [0, 1] {
            let read = parsed(|d| d["keys"].as_array_mut().unwrap().insert(place, bad.clone()));
            let wanted = KeyDocument {
                unusable: vec![Unusable {
                    kid: named.map(kid),
                    why,
                }],
                ..document()
            };
            assert_eq!(read.unwrap(), wanted, "{bad}");
        }
    }
    // The same key twice counts once. Of two keys with one kid neither is kept.
    let same = parsed(|d| {
        let again = d["keys"][0].clone();
        d["keys"].as_array_mut().unwrap().push(again);
    });
    assert_eq!(same.unwrap(), document());
    let two = parsed(|d| {
        let keys = d["keys"].as_array_mut().unwrap();
        keys.push(entry(json!("2026-11"), good.clone()));
        keys.push(entry(json!("other"), good.clone()));
    });
    let two = two.unwrap();
    assert_eq!(two.keys, VerifyKeys::new([other()]).unwrap());
    assert_eq!(two.unusable.len(), 1);
}

#[test]
fn a_standard_set_names_no_realm() {
    for names in [
        &["realm", "issuer", "log_id"][..],
        &["realm"],
        &["issuer", "log_id"],
    ] {
        let read = parsed(|d| {
            for name in names {
                d.as_object_mut().unwrap().remove(*name);
            }
        });
        let read = read.unwrap();
        assert_eq!(read.keys, document().keys);
        assert_eq!(read.realm.is_none(), names.contains(&"realm"));
        assert_eq!(read.issuer.is_none(), names.contains(&"issuer"));
        let again = KeyDocument::parse(read.to_json().unwrap().as_bytes());
        assert_eq!(again.unwrap(), read);
    }
}

#[test]
fn amiss_documents_are_refused() {
    let x = |bytes: &[u8]| json!(b64(bytes));
    let good = *key().public().as_bytes();
    for bad in [
        json!(null),
        json!(""),
        x(&good[1..]),
        x(&[&good[..], &[0]].concat()),
        json!(format!("{}=", b64(good))),
        json!(hex::encode(good)),
    ] {
        let refused = parsed(|d| d["keys"][0]["x"] = bad.clone());
        assert!(none_usable(refused, EntryError::X), "{bad}");
    }
    // The same 32 bytes have another spelling, because 43 characters leave two spare bits.
    let text = b64(good);
    let last = text.as_bytes()[42] + 1;
    let twin = format!("{}{}", &text[..42], char::from(last));
    assert!(none_usable(
        parsed(|d| d["keys"][0]["x"] = json!(twin)),
        EntryError::X
    ));

    let weak = parsed(|d| d["keys"][0]["x"] = x(&[0; 32]));
    assert!(none_usable(weak, KeyError::Weak.into()));
    let twice = parsed(|d| {
        let again = d["keys"][0].clone();
        d["keys"].as_array_mut().unwrap().push(again);
        d["keys"][1]["x"] = x(other().as_bytes());
    });
    assert!(none_usable(twice, KeyError::DuplicateKid.into()));
    let private = parsed(|d| d["keys"][0]["d"] = x(&[1; 32]));
    assert!(matches!(private, Err(JwksError::PrivateKey)));
    for bad in [json!(null), json!(""), json!("a b"), json!("a".repeat(65))] {
        assert!(none_usable(
            parsed(|d| d["keys"][0]["kid"] = bad),
            EntryError::Kid
        ));
    }
    assert!(matches!(
        parsed(|d| d["keys"] = json!([])),
        Err(JwksError::NoKey)
    ));
    let many = parsed(|d| d["keys"] = json!(vec![json!({"kty": "RSA"}); MAX_KEYS + 1]));
    assert!(matches!(many, Err(JwksError::TooManyKeys)));
    for (name, bad) in [
        ("realm", ""),
        ("issuer", ""),
        ("log_id", ""),
        ("log_id", "07"),
    ] {
        assert!(matches!(
            parsed(|d| d[name] = json!(bad)),
            Err(JwksError::Realm)
        ));
    }
    for (name, bad) in [
        ("realm", json!(1)),
        ("issuer", json!(null)),
        ("keys", json!({})),
    ] {
        assert!(matches!(parsed(|d| d[name] = bad), Err(JwksError::Json(_))));
    }
    let text = document().to_json().unwrap();
    let doubled = text.replace(r#""kty":"OKP""#, r#""kty":"OKP","kty":"OKP""#);
    assert!(matches!(
        KeyDocument::parse(doubled.as_bytes()),
        Err(JwksError::Json(_))
    ));
    let long = vec![b' '; 256 * 1024 + 1];
    assert!(matches!(KeyDocument::parse(&long), Err(JwksError::TooLong)));
}

#[test]
fn a_public_key_shows_itself() {
    let key = PublicKey::new(kid("k"), key().public().as_bytes()).unwrap();
    assert!(format!("{key:?}").starts_with("PublicKey(k, 197f6b23"));
}
