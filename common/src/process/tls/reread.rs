//! This file keeps a value that is made of files up to date: the files are read again each second, and
//! at once on SIGHUP. Files that can't be used change nothing. It must not know what they hold.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use zeroize::Zeroizing;

use super::certificate::MOST_BYTES;
use crate::process::{file, settings::Mistake};

/// The interval at which the files are read again.
const POLL: Duration = Duration::from_secs(1);

/// A file and the flag that names it.
pub(super) type NamedFile = (&'static str, PathBuf);
/// The bytes of each file, in the order of the files. A private key is among them.
pub(super) type Contents = Vec<Zeroizing<Vec<u8>>>;

/// Makes the value of the files' bytes. A mistake names the flag of its file.
type Build<T> = Box<dyn Fn(&Contents) -> Result<T, Mistake> + Send + Sync>;

/// A value that is made of files, and made anew when one of them changes.
pub(super) struct Reread<T> {
    now: watch::Sender<Arc<T>>,
    files: Arc<[NamedFile]>,
    build: Build<T>,
    /// What was read last, whether or not it could be used.
    seen: Mutex<Result<Contents, Mistake>>,
    /// The gauge is 1 while the files can't be used.
    pub(super) broken: Gauge,
}

impl<T> Reread<T> {
    /// Reads the files for the first time.
    pub(super) fn new(
        files: Vec<NamedFile>,
        build: impl Fn(&Contents) -> Result<T, Mistake> + Send + Sync + 'static,
    ) -> Result<Self, Mistake> {
        let contents = read(&files)?;
        Ok(Self {
            now: watch::Sender::new(Arc::new(build(&contents)?)),
            files: files.into(),
            build: Box::new(build),
            seen: Mutex::new(Ok(contents)),
            broken: Gauge::default(),
        })
    }

    pub(super) fn current(&self) -> Arc<T> {
        Arc::clone(&self.now.borrow())
    }

    /// Reads the files again each second and whenever `hurry` changes, until stopped. `each` is called
    /// with the value in force after each time.
    pub(super) async fn follow(
        &self,
        mut hurry: watch::Receiver<u64>,
        stop: CancellationToken,
        mut each: impl FnMut(&T),
    ) {
        loop {
            let files = Arc::clone(&self.files);
            let Ok(contents) = tokio::task::spawn_blocking(move || read(&files)).await else {
                return;
            };
            self.apply(contents);
            each(&self.current());
            let next = async {
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    Ok(()) = hurry.changed() => {}
                }
            };
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
        }
    }

    fn apply(&self, contents: Result<Contents, Mistake>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == contents {
            return;
        }
        let built = contents.as_ref().map_err(Mistake::clone);
        match built.and_then(|contents| (self.build)(contents)) {
            Ok(value) => {
                self.now.send_replace(Arc::new(value));
                self.broken.set(0);
                let files: Vec<_> = self.files.iter().map(|it| it.0).collect();
                info!(files = files.join(", "), "the files of TLS changed");
            }
            Err(problem) => {
                self.broken.set(1);
                error!(%problem, "the files of TLS can't be used: those before them stand");
            }
        }
        *seen = contents;
    }
}

fn read(files: &[NamedFile]) -> Result<Contents, Mistake> {
    files
        .iter()
        .map(|(flag, path)| {
            file::read(path, MOST_BYTES)
                .map(Zeroizing::new)
                .map_err(|error| Mistake::new(*flag, format!("{}: {error}", path.display())))
        })
        .collect()
}

/// Adds a file's flag and path to what is wrong with its bytes.
pub(super) fn named((flag, path): &NamedFile) -> impl FnOnce(String) -> Mistake {
    let (flag, path) = (*flag, path.display().to_string());
    move |rule| Mistake::new(flag, format!("{path}: {rule}"))
}
