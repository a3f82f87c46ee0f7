use std::fs;

use tempfile::TempDir;

use super::*;

fn kid(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn args(&self) -> Args {
        Args {
            ring: self.path("ring.json"),
            out: None,
            kid: None,
            activate: None,
            init: false,
            key: None,
        }
    }

    fn publish(&self, name: &str, init: bool) -> Result<Exit, Failure> {
        let args = Args {
            out: Some(self.path(&format!("{name}.pem"))),
            kid: Some(kid(name)),
            init,
            ..self.args()
        };
        run(args, &Output::new(true))
    }

    fn activate(&self, name: &str) -> Result<Exit, Failure> {
        let args = Args {
            activate: Some(kid(name)),
            ..self.args()
        };
        run(args, &Output::new(true))
    }

    /// Returns the states of the keys as an issuer reads them.
    fn states(&self) -> String {
        let text = fs::read_to_string(self.path("ring.json")).unwrap();
        let ring = KeyRing::parse(&text).unwrap();
        for key in &ring.keys {
            let pem = fs::read(key.path(&self.path("ring.json"))).unwrap();
            SigningKey::from_pkcs8(key.kid.clone(), &pem).unwrap();
        }
        let states = ring.keys.iter();
        let states: Vec<_> = states
            .map(|key| format!("{}={}", key.kid, key.state.word()))
            .collect();
        states.join(" ")
    }
}

#[test]
fn a_ring_is_stepped() {
    let folder = Folder::new();
    assert_eq!(
        folder.publish("k1", false).unwrap_err().exit,
        Exit::NotFound
    );
    assert!(!folder.path("k1.pem").exists());
    folder.publish("k1", true).unwrap();
    assert_eq!(folder.states(), "k1=active");
    assert_eq!(folder.publish("k9", true).unwrap_err().exit, Exit::Conflict);
    folder.publish("k2", false).unwrap();
    assert_eq!(folder.states(), "k1=active k2=published");
    folder.activate("k2").unwrap();
    assert_eq!(folder.states(), "k1=retired k2=active");
    for (name, exit) in [
        ("k1", Exit::Conflict),
        ("k2", Exit::Conflict),
        ("k3", Exit::NotFound),
    ] {
        assert_eq!(folder.activate(name).unwrap_err().exit, exit, "{name}");
    }
    // No temporary file is left behind.
    let mut names: Vec<_> = fs::read_dir(folder.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["k1.pem", "k2.pem", "ring.json"]);
}

#[test]
fn a_key_that_has_signed_begins_a_ring() {
    let folder = Folder::new();
    let key = SigningKey::generate(kid("old")).unwrap();
    generate::write(&key, &folder.path("old.pem")).unwrap();
    let adopt = |key: &str| {
        let args = Args {
            init: true,
            key: Some(folder.path(key)),
            ..folder.args()
        };
        run(args, &Output::new(true))
    };
    fs::write(folder.path("no.pem"), "nonsense").unwrap();
    assert_eq!(adopt("no.pem").unwrap_err().exit, Exit::Usage);
    assert!(!folder.path("ring.json").exists());
    adopt("old.pem").unwrap();
    assert_eq!(folder.states(), "old=active");
}

#[test]
fn what_fits_no_ring_isnt_made() {
    let folder = Folder::new();
    folder.publish("k1", true).unwrap();
    let before = fs::read(folder.path("ring.json")).unwrap();
    let publish = |name: &str, out: PathBuf| {
        let args = Args {
            out: Some(out.clone()),
            kid: Some(kid(name)),
            ..folder.args()
        };
        let failure = run(args, &Output::new(true)).unwrap_err();
        assert!(!failure.next.is_empty(), "{failure}");
        failure.exit
    };
    assert_eq!(publish("k1", folder.path("other.pem")), Exit::Conflict);
    assert!(!folder.path("other.pem").exists());
    assert_eq!(publish("k2", folder.path("k1.pem")), Exit::Conflict);
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("k2.pem");
    assert_eq!(publish("k2", out.clone()), Exit::Usage);
    assert!(!out.exists());
    // This file means that another command is replacing the ring.
    fs::write(folder.path(".ring.json.new"), "").unwrap();
    assert_eq!(publish("k2", folder.path("k2.pem")), Exit::Conflict);
    assert!(folder.path(".ring.json.new").exists());
    assert_eq!(fs::read(folder.path("ring.json")).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn the_mode_is_kept_and_links_are_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = Folder::new();
    let ring = folder.path("ring.json");
    folder.publish("k1", true).unwrap();
    assert_eq!(mode(&ring), 0o600);
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o640)).unwrap();
    folder.publish("k2", false).unwrap();
    assert_eq!(mode(&ring), 0o640);
    assert_eq!(mode(&folder.path("k2.pem")), 0o600);

    fs::rename(&ring, folder.path("real.json")).unwrap();
    symlink(folder.path("real.json"), &ring).unwrap();
    assert_eq!(folder.activate("k2").unwrap_err().exit, Exit::Usage);
    assert!(ring.is_symlink());
}

#[test]
fn activating_early_is_warned_of() {
    let now = UnixTime(1_000);
    assert_eq!(early(None, now), None);
    assert_eq!(early(Some(UnixTime(964)), now), None);
    let age = early(Some(UnixTime(965)), now).unwrap();
    assert!(warning(&kid("k2"), age).contains("35 s ago"));
    // The clock was set back.
    assert_eq!(early(Some(UnixTime(1_001)), now), Some(Duration::ZERO));
}
