//! Reports how a thread of the data plane ended, even if it panicked.

use tokio::sync::mpsc;

/// How one thread ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) thread: String,
    pub(super) result: Result<(), String>,
}

/// Reports a thread's end when it is dropped. Without a result it reports a panic.
#[derive(Debug)]
pub(super) struct EndReport {
    thread: String,
    result: Result<(), String>,
    to: mpsc::UnboundedSender<End>,
}

impl EndReport {
    pub(super) fn new(thread: String, to: mpsc::UnboundedSender<End>) -> Self {
        Self {
            thread,
            result: Err("it panicked".into()),
            to,
        }
    }

    pub(super) fn set(&mut self, result: Result<(), String>) {
        self.result = result;
    }
}

impl Drop for EndReport {
    fn drop(&mut self) {
        let end = End {
            thread: std::mem::take(&mut self.thread),
            result: std::mem::replace(&mut self.result, Ok(())),
        };
        // A failed send means that nobody waits for the end any more.
        let _ = self.to.send(end);
    }
}
