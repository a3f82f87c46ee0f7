//! This file keeps the credentials up to date while the program runs: it rereads their file each
//! second, as a key ring is reread, and at once on SIGHUP. A file that can't be used changes nothing. A
//! stream can wait for the end of the credential that opened it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    caller::Caller,
    error::CallerError,
    known::{Credentials, Shown},
    role::Role,
};
use crate::{
    clock::{Clock, SystemClock, UnixTime},
    process::{admission::Peer, file},
};

/// The interval at which the file is read again.
const POLL: Duration = Duration::from_secs(1);
/// The pauses between two looks at a certificate's end. The clock may be set meanwhile.
const TICK: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest file, in bytes: some ten thousand credentials.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// The shortest interval between two reports of strangers' attempts. They must not push out other
/// lines.
const TOLD: Duration = Duration::from_secs(60);

/// The credentials that are valid now.
pub struct LiveCredentials {
    now: watch::Sender<Arc<Credentials>>,
    /// The gauge is 1 while the file can't be used.
    broken: Gauge,
    unknown: Counter,
    told: Mutex<UnknownAttempts>,
}

/// The attempts with unknown credentials since they were last reported.
#[derive(Default)]
struct UnknownAttempts {
    last: Option<Instant>,
    since: u64,
}

fn now() -> UnixTime {
    SystemClock.unix().seconds()
}

impl LiveCredentials {
    pub fn new(credentials: Credentials) -> Self {
        Self {
            now: watch::Sender::new(Arc::new(credentials)),
            broken: Gauge::default(),
            unknown: Counter::default(),
            told: Mutex::default(),
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "credentials_broken",
            "1: the credentials' file can't be used, and those before it stand",
            self.broken.clone(),
        );
        registry.register(
            "unknown_credentials",
            "Calls that showed a credential which is none",
            self.unknown.clone(),
        );
    }

    /// Finds the caller by the values of all `authorization` headers, or by the peer's certificate.
    pub fn caller<'a>(
        &self,
        authorization: impl IntoIterator<Item = &'a [u8]>,
        peer: &Peer,
    ) -> Result<Caller, CallerError> {
        let found = self.current().caller_of(Shown {
            authorization,
            identity: peer.identity().map(AsRef::as_ref),
            now: now(),
        });
        if found == Err(CallerError::Unknown) {
            self.unknown.inc();
            self.tell(peer);
        }
        found.map(|caller| caller.calling_from(peer))
    }

    pub fn current(&self) -> Arc<Credentials> {
        Arc::clone(&self.now.borrow())
    }

    /// Replaces the credentials at once.
    pub fn replace(&self, new: Credentials) {
        self.now.send_replace(Arc::new(new));
    }

    /// Resolves when the caller who showed this no longer has any of these roles.
    pub fn gone(
        &self,
        authorization: Vec<Vec<u8>>,
        peer: Peer,
        any: &'static [Role],
    ) -> impl Future<Output = CallerError> + Send + 'static {
        let mut changes = self.now.subscribe();
        async move {
            let identity = peer.identity().map(AsRef::as_ref);
            loop {
                let stands = changes
                    .borrow_and_update()
                    .caller_of(Shown {
                        authorization: authorization.iter().map(Vec::as_slice),
                        identity,
                        now: now(),
                    })
                    .and_then(|caller| caller.require(any));
                if let Err(error) = stands {
                    return error;
                }
                // A caller by certificate is gone when that ends, though no file changes.
                let ends = async {
                    match identity {
                        Some(identity) if authorization.is_empty() => {
                            let left = identity.valid_until().0.saturating_sub(now().0);
                            tokio::time::sleep(Duration::from_secs(left).clamp(TICK, HOUR)).await;
                        }
                        _ => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() {
                        // No task reads the file any more, because the program ends.
                        return std::future::pending().await;
                    },
                    () = ends => {}
                }
            }
        }
    }

    fn tell(&self, peer: &Peer) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.since += 1;
        if told.last.is_some_and(|last| last.elapsed() < TOLD) {
            return;
        }
        let calls = std::mem::take(&mut told.since);
        told.last = Some(Instant::now());
        drop(told);
        warn!(target: "tokenward::audit", calls, %peer, "an unknown credential was shown");
    }

    /// Reads the file again each second and whenever `hurry` changes, until stopped. A file that can't
    /// be used is reported once and changes nothing.
    pub async fn follow(
        self: Arc<Self>,
        path: PathBuf,
        flag: &'static str,
        mut hurry: watch::Receiver<u64>,
        stop: CancellationToken,
    ) {
        let (mut applied, mut refused) = (None, None);
        loop {
            let next = async {
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    Ok(()) = hurry.changed() => {}
                }
            };
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
            let asked = path.clone();
            let Ok(text) = tokio::task::spawn_blocking(move || read(&asked)).await else {
                continue;
            };
            self.apply(&path, flag, text, &mut applied, &mut refused);
        }
    }

    fn apply(
        &self,
        path: &Path,
        flag: &str,
        text: Result<String, String>,
        applied: &mut Option<String>,
        refused: &mut Option<Result<String, String>>,
    ) {
        let problem = match &text {
            Ok(text) if applied.as_ref() == Some(text) => None,
            Ok(text) => match Credentials::parse(text) {
                Ok(new) => {
                    if new != *self.current() {
                        // The change is applied before it is logged, so that no fault of the log can
                        // keep a credential valid.
                        let told = new.names().join(", ");
                        self.replace(new);
                        info!(credentials = told, "the credentials changed");
                    }
                    *applied = Some(text.clone());
                    None
                }
                Err(mistakes) => Some(mistakes.join("; ")),
            },
            Err(problem) => Some(problem.clone()),
        };
        let Some(problem) = problem else {
            self.broken.set(0);
            *refused = None;
            return;
        };
        self.broken.set(1);
        if refused.as_ref() != Some(&text) {
            *refused = Some(text);
            let path = path.display();
            error!(
                problem,
                "{flag} {path} can't be used: the credentials before it stand"
            );
        }
    }
}

/// Returns the text of a file of credentials, with the same limit as [`LiveCredentials`].
pub fn read(path: &Path) -> Result<String, String> {
    file::read_text(path, MOST_BYTES).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::new_credential, *};

    fn file(digest: &str, roles: &str) -> String {
        format!(r#"{{"credentials":[{{"name":"hub","sha256":["{digest}"],"roles":[{roles}]}}]}}"#)
    }

    struct Followed {
        live: Arc<LiveCredentials>,
        path: PathBuf,
        hurry: watch::Sender<u64>,
        stop: CancellationToken,
        _dir: tempfile::TempDir,
    }

    impl Followed {
        fn new(text: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("credentials.json");
            fs::write(&path, text).unwrap();
            let live = Arc::new(LiveCredentials::new(Credentials::parse(text).unwrap()));
            let (hurry, stop) = (watch::Sender::new(0), CancellationToken::new());
            let follow = Arc::clone(&live).follow(
                path.clone(),
                "--credentials",
                hurry.subscribe(),
                stop.clone(),
            );
            tokio::spawn(follow);
            Self {
                live,
                path,
                hurry,
                stop,
                _dir: dir,
            }
        }

        fn write(&self, text: &str) {
            fs::write(&self.path, text).unwrap();
            self.hurry.send_modify(|n| *n += 1);
        }

        fn ask(&self, secret: &str) -> Result<Caller, CallerError> {
            let shown = format!("Bearer {secret}");
            self.live.caller([shown.as_bytes()], &Peer::UNIX)
        }
    }

    impl Drop for Followed {
        fn drop(&mut self) {
            self.stop.cancel();
        }
    }

    /// Waits until a condition holds, for a bounded number of tries.
    async fn becomes(what: &str, mut is: impl FnMut() -> bool) {
        for _ in 0..1000 {
            if is() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}");
    }

    #[tokio::test]
    async fn a_credential_taken_out_is_refused_and_its_streams_end() {
        let (old, old_digest) = new_credential().unwrap();
        let (new, new_digest) = new_credential().unwrap();
        let followed = Followed::new(&file(&old_digest, r#""feed""#));
        assert!(followed.ask(&old).is_ok());
        assert_eq!(followed.ask(&new), Err(CallerError::Unknown));
        let shown = vec![format!("Bearer {old}").into_bytes()];
        let gone = tokio::spawn(followed.live.gone(shown, Peer::UNIX, &[Role::Feed]));

        followed.write(&file(&new_digest, r#""feed""#));
        becomes("the new one is taken", || followed.ask(&new).is_ok()).await;
        assert_eq!(followed.ask(&old), Err(CallerError::Unknown));
        let ended = tokio::time::timeout(Duration::from_secs(10), gone).await;
        assert_eq!(ended.unwrap().unwrap(), CallerError::Unknown);
    }

    /// A log that panics at each write.
    struct Deadly;

    impl std::io::Write for Deadly {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("the log can't be written")
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_changes_is_in_force_before_it_is_told() {
        let (old, old_digest) = new_credential().unwrap();
        let (_, new_digest) = new_credential().unwrap();
        let before = Credentials::parse(&file(&old_digest, r#""feed""#)).unwrap();
        let live = LiveCredentials::new(before);
        let log = tracing_subscriber::fmt().with_writer(|| Deadly).finish();
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            tracing::subscriber::with_default(log, || {
                let text = Ok(file(&new_digest, r#""feed""#));
                live.apply(Path::new("c"), "--c", text, &mut None, &mut None);
            });
        }));
        assert!(died.is_err(), "it was told");
        let shown = format!("Bearer {old}");
        let caller = live.caller([shown.as_bytes()], &Peer::UNIX);
        assert_eq!(caller, Err(CallerError::Unknown));
    }

    #[tokio::test]
    async fn a_role_taken_away_ends_what_needed_it() {
        let (secret, digest) = new_credential().unwrap();
        let followed = Followed::new(&file(&digest, r#""feed","mint""#));
        let shown = vec![format!("Bearer {secret}").into_bytes()];
        let gone = tokio::spawn(followed.live.gone(shown.clone(), Peer::UNIX, &[Role::Feed]));
        let stays = tokio::spawn(followed.live.gone(shown, Peer::UNIX, &[Role::Mint]));
        followed.write(&file(&digest, r#""mint""#));
        let ended = tokio::time::timeout(Duration::from_secs(10), gone).await;
        let why = ended.unwrap().unwrap();
        assert!(matches!(why, CallerError::Forbidden { .. }), "{why}");
        assert!(!stays.is_finished());
        stays.abort();
    }

    #[tokio::test]
    async fn a_broken_file_changes_nothing_and_is_told() {
        let (secret, digest) = new_credential().unwrap();
        let whole = file(&digest, r#""feed""#);
        let followed = Followed::new(&whole);
        let half = whole.split_at(whole.len() / 2).0;
        for broken in [half, "", "{}", r#"{"credentials":[{}]}"#] {
            followed.write(broken);
            becomes("it is told", || followed.live.broken.get() == 1).await;
            assert!(followed.ask(&secret).is_ok(), "{broken}");
            followed.write(&whole);
            becomes("it is whole again", || followed.live.broken.get() == 0).await;
        }
        fs::remove_file(&followed.path).unwrap();
        followed.hurry.send_modify(|n| *n += 1);
        becomes("it is told", || followed.live.broken.get() == 1).await;
        assert!(followed.ask(&secret).is_ok());
    }

    #[test]
    fn strangers_are_counted_and_told_once_a_minute() {
        let (secret, digest) = new_credential().unwrap();
        let live = LiveCredentials::new(Credentials::parse(&file(&digest, r#""mint""#)).unwrap());
        let (stranger, _) = new_credential().unwrap();
        for _ in 0..1000 {
            let shown = format!("Bearer {stranger}");
            let refused = live.caller([shown.as_bytes()], &Peer::UNIX);
            assert_eq!(refused, Err(CallerError::Unknown));
        }
        assert_eq!(live.unknown.get(), 1000);
        // The first attempt was reported, and the others wait.
        assert_eq!(live.told.lock().unwrap().since, 999);
        let shown = format!("Bearer {secret}");
        assert!(live.caller([shown.as_bytes()], &Peer::UNIX).is_ok());
        let none = live.caller(std::iter::empty(), &Peer::UNIX);
        assert_eq!(none, Err(CallerError::Unauthenticated));
        assert_eq!(live.unknown.get(), 1000);
    }
}
