//! A key set that a test serves itself, and can make unavailable. It counts the requests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// The key set. It is served until it is dropped.
pub struct KeySet {
    pub url: String,
    address: String,
    served: Arc<Mutex<Served>>,
    server: Option<JoinHandle<()>>,
}

struct Served {
    /// `None`: requests are answered with 503.
    document: Option<String>,
    asked: usize,
    ended: bool,
}

impl KeySet {
    /// Serves the key set at a free port of this host.
    pub(super) fn start(host: &str) -> Self {
        let listener = TcpListener::bind(host).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let served = Arc::new(Mutex::new(Served {
            document: None,
            asked: 0,
            ended: false,
        }));
        let shared = Arc::clone(&served);
        Self {
            url: format!("http://{address}/jwks.json"),
            address,
            served,
            server: Some(std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let answer = {
                        let mut served = lock(&shared);
                        if served.ended {
                            return;
                        }
                        served.asked += 1;
                        served.document.clone()
                    };
                    // An error is ignored: a client may close its connection at any time.
                    let _ = answer_one(stream, answer);
                }
            })),
        }
    }

    /// Replaces the document. `None`: the key set is unavailable.
    pub fn serve(&self, document: Option<String>) {
        lock(&self.served).document = document;
    }

    /// Returns the number of requests so far.
    pub fn asked(&self) -> usize {
        lock(&self.served).asked
    }
}

impl Drop for KeySet {
    fn drop(&mut self) {
        lock(&self.served).ended = true;
        let _ = TcpStream::connect(&self.address);
        let _ = self.server.take().map(JoinHandle::join);
    }
}

fn lock(served: &Mutex<Served>) -> MutexGuard<'_, Served> {
    served.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer_one(mut stream: TcpStream, document: Option<String>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(&stream).lines();
    while lines.next().transpose()?.is_some_and(|it| !it.is_empty()) {}
    let (status, body) = match document {
        Some(document) => ("200 OK", document),
        None => ("503 Service Unavailable", String::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/jwk-set+json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
