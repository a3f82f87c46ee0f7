//! Tests which key sets are accepted.

use tokenward_common::{
    store::guards::Guards,
    token::{EntryError, Prefix, Role, SigningKey, sign},
};
use tokenward_proto::v1::Reason;

use super::*;
use crate::decide::{
    Undecided,
    tests::{Hub, READ, ask, claims, key_set, kid, token, withdraw},
};

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(kid(name), &[seed; 32]).unwrap()
}

#[test]
fn a_kid_names_one_key_for_ever() {
    let hub = Hub::new(Guards::ALL);
    let decider = &hub.decider;
    let (one, two, other) = (key("k1", 1), key("k2", 2), key("k1", 3));
    let holds = |keys: &[&SigningKey]| **decider.keys.load() == key_set(keys);
    let mut known = Known::default();
    decider.keys.store(Arc::default());
    known.swap(decider, key_set(&[&one]));
    assert!(holds(&[&one]));
    known.swap(decider, key_set(&[&other, &two]));
    assert!(holds(&[&one]), "rewritten at once");
    known.swap(decider, key_set(&[&one, &two]));
    known.swap(decider, key_set(&[&two]));
    assert!(holds(&[&two]));
    known.swap(decider, key_set(&[&two, &other]));
    assert!(holds(&[&two]), "rewritten after it was gone");
    known.swap(decider, key_set(&[&two, &one]));
    assert!(holds(&[&two, &one]));
}

/// The memo knows a token by its kid, which must never name another key.
#[tokio::test(start_paused = true)]
async fn a_remembered_token_does_not_outlive_its_key() {
    let hub = Hub::followed(Guards::ALL).await;
    let mut known = Known::default();
    hub.decider.keys.store(Arc::default());
    let stolen = token("ada", 7, Role::Write);
    known.swap(&hub.decider, key_set(&[&key("k1", 1)]));
    assert!(hub.allows(&ask(&stolen, "own", READ)));
    known.swap(&hub.decider, key_set(&[&key("k2", 2)]));
    assert!(!hub.allows(&ask(&stolen, "own", READ)));
    known.swap(&hub.decider, key_set(&[&key("k1", 3)]));
    assert!(!hub.allows(&ask(&stolen, "own", READ)));
}

/// A document that a fetch brings.
fn document(keys: &[&SigningKey]) -> KeyDocument {
    KeyDocument {
        keys: key_set(keys),
        ..KeyDocument::default()
    }
}

fn signed(by: &SigningKey) -> String {
    sign(&claims("ada", 7, Role::Write), &Prefix::default(), by).unwrap()
}

/// A hub whose verifier follows the files of a folder.
struct Followed {
    hub: Hub,
    folder: tempfile::TempDir,
    hurry: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Followed {
    /// Follows these sources, of which the last is the cache.
    async fn by(sources: &[&str], folder: tempfile::TempDir) -> Self {
        let mut hub = Hub::new(Guards::ALL);
        Arc::get_mut(&mut hub.decider).unwrap().keys = TrustedKeys::default();
        hub.follow();
        hub.fresh().await;
        let followed = Self {
            hub,
            folder,
            hurry: watch::Sender::new(0),
            stop: CancellationToken::new(),
        };
        let file = |name: &&str| JwksSource::File(followed.path(name));
        let sources = Sources {
            sources: sources.iter().map(file).collect(),
            poll: Duration::from_secs(30),
            cache: Some(followed.path("cache")),
            tls: tokenward_common::process::TlsConfig::default()
                .read()
                .unwrap()
                .peers,
        };
        tokio::spawn(follow(
            sources,
            Arc::clone(&followed.hub.decider),
            followed.hurry.subscribe(),
            followed.stop.clone(),
        ));
        followed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, keys: &[&SigningKey]) {
        std::fs::write(self.path(name), document(keys).to_json().unwrap()).unwrap();
    }

    /// The decision about this token once it is no longer `not`.
    async fn told(&self, token: &str, not: Option<&Undecided>) -> Result<Reason, Undecided> {
        for _ in 0..5_000 {
            let asked = ask(token, "own", READ);
            let decided = self.hub.decide(&asked).map(|decision| {
                let denied = decision.verdict.err();
                denied.map_or(Reason::Unspecified, |denial| denial.reason)
            });
            if not.is_none() || decided.as_ref().err() != not {
                return decided;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.hub.clock.advance(Duration::from_millis(10));
            self.hub.fresh().await;
        }
        panic!("told nothing else");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_key_no_token_is_judged() {
    let (one, made_up) = (key("k1", 1), key("made-up", 9));
    let followed = Followed::by(&["jwks"], tempfile::tempdir().unwrap()).await;
    for token in [signed(&one), signed(&made_up)] {
        let told = followed.told(&token, None).await;
        assert_eq!(told, Err(Undecided::NoKeys));
    }
    let rubbish = followed.told("rubbish", None).await;
    assert_eq!(rubbish, Ok(Reason::TokenMalformed));
    followed.put("jwks", &[&one]);
    let told = followed.told(&signed(&one), Some(&Undecided::NoKeys)).await;
    assert_eq!(told, Ok(Reason::Unspecified));
}

#[tokio::test(start_paused = true)]
async fn a_key_of_after_the_last_poll_is_fetched_when_it_is_shown() {
    let (one, two, made_up) = (key("k1", 1), key("k2", 2), key("made-up", 9));
    let followed = Followed::by(&["jwks"], tempfile::tempdir().unwrap()).await;
    followed.put("jwks", &[&one]);
    let told = followed.told(&signed(&one), Some(&Undecided::NoKeys)).await;
    assert_eq!(told, Ok(Reason::Unspecified));
    followed.put("jwks", &[&one, &two]);
    let begun = tokio::time::Instant::now();
    let not_yet = Some(&Undecided::KeyUnknown);
    for (token, is) in [
        (signed(&two), Reason::Unspecified),
        (signed(&made_up), Reason::TokenKeyUnknown),
    ] {
        let told = followed.told(&token, None).await;
        assert_eq!(told, Err(Undecided::KeyUnknown));
        assert_eq!(followed.told(&token, not_yet).await, Ok(is));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "not by the poll");
}

/// No token of the new key was shown yet, and the next poll is far away.
#[tokio::test(start_paused = true)]
async fn whoever_runs_the_verifier_can_hurry_a_new_key() {
    let (one, two) = (key("k1", 1), key("k2", 2));
    let followed = Followed::by(&["jwks"], tempfile::tempdir().unwrap()).await;
    followed.put("jwks", &[&one]);
    let told = followed.told(&signed(&one), Some(&Undecided::NoKeys)).await;
    assert_eq!(told, Ok(Reason::Unspecified));
    followed.put("jwks", &[&one, &two]);
    let begun = tokio::time::Instant::now();
    followed.hurry.send_modify(|n| *n += 1);
    while followed.hub.decider.keys.load().get(&kid("k2")).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "not by the poll");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = followed.told(&signed(&two), None).await;
    assert_eq!(told, Ok(Reason::Unspecified));
}

#[tokio::test(start_paused = true)]
async fn sources_are_tried_in_turn_and_the_last_good_set_is_kept() {
    use std::os::unix::fs::PermissionsExt;

    let (one, two) = (key("k1", 1), key("k2", 2));
    let mut followed = Followed::by(&["away", "copy"], tempfile::tempdir().unwrap()).await;
    followed.put("copy", &[&one]);
    let token = signed(&one);
    let told = followed.told(&token, Some(&Undecided::NoKeys)).await;
    assert_eq!(told, Ok(Reason::Unspecified));
    // A copy that replaces a source may be old, so it is no grounds to refuse.
    for _ in 0..3 {
        let told = followed.told(&signed(&two), None).await;
        assert_eq!(told, Err(Undecided::KeyUnknown));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let cache = followed.path("cache");
    for _ in 0..1000 {
        if cache.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mode = std::fs::metadata(&cache).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The verifier starts again while no source can be read.
    std::fs::remove_file(followed.path("copy")).unwrap();
    let folder = std::mem::replace(&mut followed.folder, tempfile::tempdir().unwrap());
    let again = Followed::by(&["away", "copy"], folder).await;
    let told = again.told(&token, Some(&Undecided::NoKeys)).await;
    assert_eq!(told, Ok(Reason::Unspecified));
    let told = again.told(&signed(&two), None).await;
    assert_eq!(told, Err(Undecided::KeyUnknown));
    // A withdrawal in the log overrides any file, and needs no key.
    again.hub.commit(vec![withdraw("k1"), withdraw("k2")]).await;
    for token in [token, signed(&two)] {
        let told = again.told(&token, None).await;
        assert_eq!(told, Ok(Reason::TokenKeyWithdrawn));
    }
}

/// If it were kept, the cache would lead to the keys of a realm that was made anew.
#[tokio::test(start_paused = true)]
async fn a_set_of_another_log_than_the_followed_one_is_not_kept() {
    let one = key("k1", 1);
    let kept = async |other: bool| {
        let followed = Followed::by(&["jwks"], tempfile::tempdir().unwrap()).await;
        let mut log = followed.hub.decider.replica.cursor().log;
        if other {
            log.0[0] ^= 1;
        }
        let document = KeyDocument {
            log_id: Some(log),
            ..document(&[&one])
        };
        std::fs::write(followed.path("jwks"), document.to_json().unwrap()).unwrap();
        let told = followed.told(&signed(&one), Some(&Undecided::NoKeys)).await;
        assert_eq!(told, Ok(Reason::Unspecified));
        for _ in 0..100 {
            if followed.path("cache").exists() {
                return true;
            }
            // A thread writes the file, and its time isn't paused.
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(5)))
                .await
                .unwrap();
        }
        false
    };
    assert!(kept(false).await);
    assert!(!kept(true).await);
}

#[test]
fn an_entry_that_can_not_be_read_takes_nothing_back() {
    let hub = Hub::new(Guards::ALL);
    let mut known = Known::default();
    let (one, two) = (key("k1", 1), key("k2", 2));
    known.swap(&hub.decider, key_set(&[&one]));
    let odd = |name| Unusable {
        kid: Some(kid(name)),
        why: EntryError::X,
    };
    let document = KeyDocument {
        unusable: vec![odd("k1"), odd("k3"), odd("k1")],
        ..document(&[&two])
    };
    let keys = with_standing(&document, true, &hub.decider.keys.load());
    assert_eq!(keys, key_set(&[&two, &one]));
    known.tell_unusable(&hub.decider, &document.unusable);
    assert_eq!(hub.decider.keys.unusable(), 3);
}
