//! Handles one process: it is started from the folder of the test's own binary, read line by line, and
//! ended by its id.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;

use super::{Kept, LIMIT, level, tls};

/// Returns the path of a program of this workspace.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let dir = test.ancestors().nth(2).expect("target/PROFILE/deps/test");
    let path = dir.join(name);
    assert!(
        path.exists(),
        "{} is not there: build it first, with `cargo build --profile ci --workspace --all-targets`",
        path.display()
    );
    path
}

#[derive(Default)]
struct Lines {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
    /// Set when the reader must stop after its next line.
    enough: AtomicBool,
}

/// A running process. It is killed when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    lines: Arc<Lines>,
    kept: Arc<Kept>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts a process. Its standard error is read from the start.
    pub fn start(kept: &Arc<Kept>, label: &str, mut command: Command) -> Self {
        tls::set(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{label}: {error}"));
        let lines = Arc::new(Lines::default());
        let stderr = child.stderr.take().expect("it is piped");
        let (read, keep, name) = (Arc::clone(&lines), Arc::clone(kept), label.to_owned());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.said(&format!("log of {name}"), line.clone());
                let mut lines = read.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.0.push(line);
                read.more.notify_all();
                if read.enough.load(SeqCst) {
                    break;
                }
            }
            let mut lines = read.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.1 = true;
            read.more.notify_all();
        });
        let program = Self {
            name: label.to_owned(),
            child,
            lines,
            kept: Arc::clone(kept),
            reader: Some(reader),
        };
        program.keep_command_line();
        program
    }

    /// Keeps the command line that `ps` shows for the process.
    fn keep_command_line(&self) {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.id())).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.kept
            .said(&format!("command line of {}", self.name), text);
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns all lines so far.
    pub fn log(&self) -> Vec<String> {
        let lines = self.lines.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Waits for the first JSON line with this message.
    pub fn event(&self, message: &str) -> Value {
        let found = |lines: &[String]| {
            let mut events = lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.find(|event| event["message"] == message)
        };
        let mut lines = self.lines.lines.lock().expect("no reader fails");
        loop {
            if let Some(event) = found(&lines.0) {
                return event;
            }
            let told = lines.0.join("\n");
            assert!(!lines.1, "{} ended before `{message}`:\n{told}", self.name);
            let (again, late) = self
                .lines
                .more
                .wait_timeout(lines, LIMIT)
                .expect("no reader fails");
            assert!(
                !late.timed_out(),
                "{}: no `{message}` in its log:\n{told}",
                self.name
            );
            lines = again;
        }
    }

    /// Stops reading the log after its next line. What the process writes after that fails in the process.
    pub fn leave_its_log(&self) {
        self.lines.enough.store(true, SeqCst);
    }

    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.expect("kill runs").success(), "{}", self.name);
    }

    /// Kills the process with SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Waits for the end of the process and its last line.
    pub async fn ended(&mut self) -> ExitStatus {
        let name = format!("the end of {}", self.name);
        let status = level(&name, async || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        })
        .await;
        level(&name, async || {
            let lines = self.lines.lines.lock();
            match lines.unwrap_or_else(PoisonError::into_inner).1 {
                true => Ok(()),
                false => Err("its log is open".into()),
            }
        })
        .await;
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The log is read to its last line, because the texts must be complete before they are searched.
        let _ = self.reader.take().map(JoinHandle::join);
        if std::thread::panicking() {
            // What went well is most of it under load, and tells little.
            let mut log = self.log();
            log.retain(|line| !line.contains("\"outcome\":\"written\""));
            let last = log.len().saturating_sub(25);
            eprintln!(
                "the end of {}'s log:\n{}",
                self.name,
                log[last..].join("\n")
            );
        }
    }
}

/// The output and exit code of a command that ends by itself. It is killed when it takes too long.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs one command to its end.
pub fn run(kept: &Kept, command: &mut Command) -> Ended {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let label = words[..words.len().min(2)].join(" ");
    kept.said(&format!("command line of {label}"), words.join(" "));
    tls::set(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let id = child.id().to_string();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let late = ended.recv_timeout(LIMIT + Duration::from_secs(10)).is_err();
        if late {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
        late
    });
    // Both pipes are read at the same time, so neither can fill up.
    let mut err = child.stderr.take().expect("it is piped");
    let err = std::thread::spawn(move || std::io::read_to_string(&mut err).unwrap_or_default());
    let out = std::io::read_to_string(child.stdout.take().expect("it is piped"));
    let err = err.join().expect("a reader");
    let status = child.wait().expect("it is ours");
    let _ = done.send(());
    assert!(!guard.join().expect("a guard"), "{label}: it hangs");
    kept.said(&format!("stderr of {label}"), err.clone());
    assert_eq!(status.signal(), None, "{label}: {err}");
    Ended {
        code: status.code(),
        out: out.unwrap_or_default(),
        err,
    }
}
