//! Answers that are lost on the way: what was done is done, and who asked is told so.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokenward_common::store::redis::{OpenError, OpenOptions, RedisStore};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use super::{fixture::*, server::Server};

/// Passes everything on, but the answers to this many scripts: their connections end instead.
struct Lossy {
    left: Arc<AtomicUsize>,
    path: PathBuf,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Lossy {
    fn before(server: &Server, scripts: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let left = Arc::new(AtomicUsize::new(scripts));
        let (server, losing) = (server.socket(), Arc::clone(&left));
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&losing)));
            }
        });
        Self {
            left,
            path,
            task,
            _dir: dir,
        }
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.path.display())
    }

    fn lost_all(&self) -> bool {
        self.left.load(SeqCst) == 0
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: UnixStream, mut server: UnixStream, left: Arc<AtomicUsize>) {
    const READ: usize = 16 * 1024;
    let (mut asked, mut answered) = (Vec::with_capacity(READ), Vec::with_capacity(READ));
    let mut losing = false;
    loop {
        tokio::select! {
            Ok(1..) = client.read_buf(&mut asked) => {
                let is_script = asked.windows(4).any(|word| word == b"EVAL");
                let lose = |left: usize| left.checked_sub(1);
                losing |= is_script && left.fetch_update(SeqCst, SeqCst, lose).is_ok();
                server.write_all(&asked).await.unwrap();
                asked.clear();
            }
            Ok(1..) = server.read_buf(&mut answered) => {
                // It is done; nobody hears of it.
                if losing || client.write_all(&answered).await.is_err() {
                    return;
                }
                answered.clear();
            }
            else => return,
        }
    }
}

#[tokio::test]
async fn a_realm_whose_making_was_not_heard_of_is_made_all_the_same() {
    for lost in [0, 1, 2, 4] {
        let server = Server::start(&[]);
        let lossy = Lossy::before(&server, lost);
        let url = lossy.url();
        let make = || RedisStore::make(&url, "hub", OpenOptions::default());
        assert_eq!(make().await, Ok(()), "{lost}");
        assert!(lossy.lost_all());
        // Another's, then.
        assert_eq!(make().await, Err(OpenError::Known), "{lost}");
        let opened = RedisStore::open(&server.url(), "hub", OpenOptions::default()).await;
        one(&opened.unwrap(), Vec::new()).await;
    }
}

/// One that nothing is heard of at all is not called made, nor there already.
#[tokio::test]
async fn what_is_never_heard_of_is_not_called_made() {
    let server = Server::start(&[]);
    let lossy = Lossy::before(&server, 100);
    let made = RedisStore::make(&lossy.url(), "hub", OpenOptions::default()).await;
    assert!(matches!(made, Err(OpenError::Unavailable(_))), "{made:?}");
}
