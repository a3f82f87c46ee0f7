//! Tests what may be in the place of a cache.

use std::os::unix::fs::symlink;

use tokenward_common::store::guards::Guards;

use super::*;
use crate::decide::tests::{Hub, key_set, kid};

const LOG: LogId = LogId([1; 16]);

fn document(log: LogId) -> KeyDocument {
    let key = tokenward_common::token::SigningKey::from_seed(kid("k1"), &[1; 32]).unwrap();
    KeyDocument {
        keys: key_set(&[&key]),
        log_id: Some(log),
        ..KeyDocument::default()
    }
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn what_is_no_key_set_of_this_log_supplies_no_keys_and_is_told_of() {
    let hub = Hub::new(Guards::ALL);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let told = || match read(&path) {
        Ok(None) => "missing".into(),
        Ok(Some(bytes)) => match read_for_log(&bytes, &hub.decider, LOG) {
            Ok(_) => "used".into(),
            Err(problem) => problem,
        },
        Err(problem) => problem,
    };
    assert_eq!(told(), "missing");
    let good = document(LOG).to_json().unwrap();
    put(&path, &good);
    assert_eq!(told(), "used");
    for (mode, expected) in [
        (0o602, "others may write it"),
        (0o620, "others may write it"),
        (0o664, "others may write it"),
        (0o644, "used"),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(told().contains(expected), "{mode:o}: {}", told());
    }
    let other = |realm: Option<&str>, issuer: Option<&str>| {
        let document = KeyDocument {
            realm: realm.map(Into::into),
            issuer: issuer.map(Into::into),
            ..document(LOG)
        };
        document.to_json().unwrap()
    };
    let long = " ".repeat(MAX_DOCUMENT + 1);
    for (text, expected) in [
        (
            document(LogId([2; 16])).to_json().unwrap(),
            "of another realm's log",
        ),
        (other(Some("another"), None), "another realm's"),
        (
            other(None, Some("https://other.example")),
            "another issuer's",
        ),
        (
            good.split_at(good.len() / 2).0.to_owned(),
            "not a key document",
        ),
        (String::new(), "not a key document"),
        ("rubbish".to_owned(), "not a key document"),
        (long, "longer than"),
    ] {
        put(&path, &text);
        assert!(told().contains(expected), "{expected} in {}", told());
    }
    fs::remove_file(&path).unwrap();
    symlink("cache", &path).unwrap();
    assert!(told().contains("symbolic links"), "{}", told());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(told(), "it is a directory");

    // A directory isn't overwritten either, and nothing is left beside it.
    assert!(write(&path, &good).is_err());
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
