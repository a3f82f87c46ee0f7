//! Follows a key ring while the issuer runs: reads it each second, as the credentials are, and at once on
//! SIGHUP. A ring that can't be used changes nothing; it is logged once for each reason, and a gauge shows it
//! while it lasts.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokenward_common::process::file;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Keys, Signing, name_file, renamed, states};

/// A key ring is read again at this interval.
const RING_POLL: Duration = Duration::from_secs(1);
/// A key ring may have at most this many bytes, enough for thousands of keys.
const MOST_BYTES: u64 = 1024 * 1024;

/// Holds what is known of the file.
#[derive(Default)]
struct Seen {
    /// This text is in force.
    applied: Option<String>,
    /// This is the last reported reason why the present text can't be used.
    told: Option<String>,
}

pub(super) fn read_ring(path: &Path) -> Result<String, String> {
    file::read_text(path, MOST_BYTES).map_err(|error| name_file(path, &error))
}

impl Keys {
    /// Reads a key ring again each second and at each change of `hurry`, until stopped. A ring that can't be
    /// used changes nothing, and neither does one that gives a known name another key.
    pub async fn follow(
        self: Arc<Self>,
        path: PathBuf,
        mut hurry: watch::Receiver<u64>,
        stop: CancellationToken,
    ) {
        let mut seen = Seen::default();
        loop {
            let next = async {
                tokio::select! {
                    () = tokio::time::sleep(RING_POLL) => {}
                    Ok(()) = hurry.changed() => {}
                }
            };
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
            let (keys, path, applied) = (Arc::clone(&self), path.clone(), seen.applied.clone());
            let read = move || keys.read(&path, applied.as_deref());
            if let Ok(read) = tokio::task::spawn_blocking(read).await {
                self.apply(read, &mut seen);
            }
        }
    }

    /// Reads the ring; `None` means that its text is in force already. A refused ring is read anew each time,
    /// because a key's file may be written a moment after the ring.
    fn read(
        &self,
        path: &Path,
        applied: Option<&str>,
    ) -> Result<Option<(String, Signing)>, String> {
        let text = read_ring(path)?;
        if applied == Some(&*text) {
            return Ok(None);
        }
        let current = self.current();
        let new = Signing::from_ring(&current.realm, path, &text)
            .map_err(|mistakes| mistakes.join("; "))?;
        if renamed(&current, &new) {
            return Err(name_file(path, &"it gives a known name another key"));
        }
        Ok(Some((text, new)))
    }

    fn apply(&self, read: Result<Option<(String, Signing)>, String>, seen: &mut Seen) {
        match read {
            Ok(new) => {
                if let Some((text, new)) = new {
                    let (was, now) = (states(&self.current()), states(&new));
                    // The new keys are in force before they are logged: no trouble with the log may delay a
                    // key.
                    self.now.store(Arc::new(new));
                    seen.applied = Some(text);
                    if now != was {
                        info!(keys = now.join(", "), "the key ring changed");
                    }
                }
                self.broken.store(false, Relaxed);
                seen.told = None;
            }
            Err(problem) => {
                self.broken.store(true, Relaxed);
                if seen.told.as_ref() != Some(&problem) {
                    seen.told = Some(problem.clone());
                    error!(
                        problem,
                        "the key ring can't be used: the keys before it stand"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokenward_common::{
        id::KeyId,
        token::{Prefix, SigningKey},
    };

    use super::{super::*, *};

    struct Ring {
        keys: Arc<Keys>,
        dir: tempfile::TempDir,
    }

    impl Ring {
        /// Makes a ring in which `k1` signs.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            key(dir.path(), "k1", 1);
            let path = dir.path().join("ring.json");
            fs::write(&path, ring(&[("k1", "active")])).unwrap();
            let realm = Realm {
                issuer: "https://tokens.example".into(),
                name: "hub".into(),
                prefix: Prefix::default(),
            };
            let signing = Signing::load(&realm, &KeySource::Ring(path));
            let signing = signing.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
            Self {
                keys: Arc::new(Keys::new(signing)),
                dir,
            }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("ring.json")
        }

        fn put(&self, states: &[(&str, &str)]) {
            fs::write(self.path(), ring(states)).unwrap();
        }

        /// Reads the ring as the follower does. Returns the reported problem, if it was not reported before.
        fn look(&self, seen: &mut Seen) -> Option<String> {
            let before = seen.told.clone();
            let read = self.keys.read(&self.path(), seen.applied.as_deref());
            self.keys.apply(read, seen);
            seen.told.clone().filter(|it| Some(it) != before.as_ref())
        }

        fn state(&self) -> (String, i64) {
            let states = states(&self.keys.current()).join(" ");
            (states, i64::from(self.keys.is_broken()))
        }
    }

    fn key(dir: &Path, name: &str, seed: u8) {
        let key = SigningKey::from_seed(KeyId::parse(name).unwrap(), &[seed; 32]).unwrap();
        let pem = key.to_pkcs8_pem().unwrap();
        fs::write(dir.join(format!("{name}.pem")), &*pem).unwrap();
    }

    fn ring(states: &[(&str, &str)]) -> String {
        let key = |(kid, state): &(&str, &str)| {
            format!(r#"{{"kid":"{kid}","file":"{kid}.pem","state":"{state}"}}"#)
        };
        let keys: Vec<_> = states.iter().map(key).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    #[test]
    fn a_ring_that_can_not_be_used_is_told_once_for_each_reason_and_changes_nothing() {
        let ring = Ring::new();
        let seen = &mut Seen::default();
        assert_eq!(ring.look(seen), None);
        let whole = ("k1=active".to_owned(), 0);
        let broken = ("k1=active".to_owned(), 1);
        assert_eq!(ring.state(), whole);

        type Damage<'a> = (&'a str, &'a dyn Fn());
        let two = [("k1", "retired"), ("k2", "active")];
        let damages: [Damage; 6] = [
            ("No such file", &|| fs::remove_file(ring.path()).unwrap()),
            ("it is a directory", &|| {
                fs::create_dir(ring.path()).unwrap()
            }),
            ("not a key ring", &|| {
                fs::remove_dir(ring.path()).unwrap();
                fs::write(ring.path(), "{").unwrap();
            }),
            // The ring is written before its key's file.
            ("k2.pem: No such file", &|| ring.put(&two)),
            ("exactly one must be active", &|| ring.put(&[])),
            ("it gives a known name another key", &|| {
                key(ring.dir.path(), "k1", 9);
                ring.put(&[("k1", "active"), ("k1-2", "published")]);
                key(ring.dir.path(), "k1-2", 3);
            }),
        ];
        for (expected, damage) in damages {
            damage();
            let told = ring.look(seen).unwrap_or_default();
            assert!(told.contains(expected), "{expected} in {told}");
            assert!(
                told.contains("ring.json") || told.contains("--key-ring"),
                "{told}"
            );
            assert_eq!(ring.state(), broken, "{expected}");
            assert_eq!(ring.look(seen), None, "told once: {expected}");
            assert_eq!(ring.state(), broken, "{expected}");
        }
        key(ring.dir.path(), "k1", 1);
        key(ring.dir.path(), "k2", 2);
        ring.put(&two);
        assert_eq!(ring.look(seen), None);
        assert_eq!(ring.state(), ("k1=retired k2=active".to_owned(), 0));
        // The same reason at a later time is reported again.
        fs::remove_file(ring.path()).unwrap();
        assert!(ring.look(seen).is_some());
        // The file holds again the text that is in force.
        ring.put(&two);
        assert_eq!(ring.look(seen), None);
        assert_eq!(ring.state().1, 0);
    }

    /// The test uses tokio's own clock, which is paused.
    #[tokio::test(start_paused = true)]
    async fn it_is_read_at_once_when_told_to_and_else_each_second() {
        let ring = Ring::new();
        let (hurry, stop) = (watch::Sender::new(0), CancellationToken::new());
        let follow = Arc::clone(&ring.keys).follow(ring.path(), hurry.subscribe(), stop.clone());
        let follow = tokio::spawn(follow);
        for (name, hurried) in [("k2", true), ("k3", false)] {
            key(ring.dir.path(), name, name.as_bytes()[1]);
            let begun = tokio::time::Instant::now();
            ring.put(&[("k1", "active"), (name, "published")]);
            if hurried {
                hurry.send_modify(|n| *n += 1);
            }
            while !ring.state().0.contains(name) {
                assert!(begun.elapsed() < 2 * RING_POLL, "{name}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(begun.elapsed() < RING_POLL / 2, hurried, "{name}");
        }
        stop.cancel();
        follow.await.unwrap();
    }
}
