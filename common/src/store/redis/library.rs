//! This file holds the function by which a verifier confirms. The verifier's user may call it and needs
//! no right to run scripts of its own, which could stop the server for everybody.
//!
//! Issuers load the function when they open a realm, and again whenever it isn't there. Its name
//! carries a digest of its text, so that the functions of two versions exist side by side and neither
//! ever changes.

use std::sync::LazyLock;

use redis::{Cmd, cmd};
use sha2::{Digest, Sha256};

use crate::store::redis::trouble::Trouble;

const CONFIRM: &str = concat!(
    include_str!("stream.lua"),
    include_str!("place.lua"),
    "local function confirm(KEYS, ARGV)\n",
    include_str!("confirm.lua"),
    include_str!("seen.lua"),
    "end\n"
);

pub(super) struct Library {
    /// The name that `FCALL` takes.
    pub(super) confirm: String,
    text: String,
}

pub(super) static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let digest = hex::encode(Sha256::digest(CONFIRM).split_at(8).0);
    let confirm = format!("tokenward_confirm_{digest}");
    let text = format!(
        "#!lua name=tokenward_{digest}\n{CONFIRM}redis.register_function{{\
         function_name='{confirm}', callback=confirm, flags={{'allow-oom'}}}}\n"
    );
    Library { confirm, text }
});

impl Library {
    pub(super) fn load(&self) -> Cmd {
        let mut load = cmd("FUNCTION");
        load.arg("LOAD").arg("REPLACE").arg(&self.text);
        load
    }
}

/// Reports whether the function wasn't run: it isn't loaded, the server knows no functions, or the user
/// may not call it.
pub(super) fn is_absent(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Answered {
            inside: false,
            code,
            text,
        } => {
            let text = text.to_ascii_lowercase();
            code == "NOPERM"
                || text.contains("function not found")
                || text.contains("unknown command")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_did_not_run_is_absent() {
        let answered = |code: &str, text: &str, inside| Trouble::Answered {
            code: code.into(),
            text: text.into(),
            inside,
        };
        for (trouble, absent) in [
            (answered("ERR", "ERR Function not found", false), true),
            (answered("ERR", "unknown command 'FCALL'", false), true),
            (answered("NOPERM", "no permissions", false), true),
            (answered("NOPERM", "script: x", true), false),
            (answered("OOM", "out of memory", false), false),
            (Trouble::Refused("unknown command".into()), false),
        ] {
            assert_eq!(is_absent(&trouble), absent, "{trouble:?}");
        }
    }
}
