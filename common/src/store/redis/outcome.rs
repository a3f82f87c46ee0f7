//! This file decides what is certain about a commit whose call failed: that it was not written, or nothing.
//! It must not know over which connection the call was sent.

use crate::store::{CommitError, Reason, redis::trouble::Trouble};

/// The codes of errors that the server answers before it runs a command. After any other error, or one
/// from inside a script, the commit may have happened.
const BEFORE_RUNNING: [&str; 14] = [
    "NOSCRIPT",
    "LOADING",
    "MISCONF",
    "READONLY",
    "NOREPLICAS",
    "OOM",
    "BUSY",
    "NOPERM",
    "NOAUTH",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "MOVED",
    "ASK",
    "TRYAGAIN",
];

/// Judges a commit by why its call has no answer. `sent`: an earlier call for it was sent, and its answer
/// was lost.
pub(super) fn judge(trouble: Trouble, sent: bool) -> CommitError {
    // What the store lost is brought back in a moment, or the caller hears of it from another issuer.
    let passes = matches!(trouble, Trouble::Unfit(Reason::Rollback | Reason::Reopened));
    if let Trouble::Unfit(reason) = trouble
        && !passes
    {
        // A call that was sent before may be written, and no repeat by this process can settle it.
        return CommitError::Unfit { reason, sent };
    }
    let text = trouble.to_string();
    let certain = match &trouble {
        Trouble::Refused(_) | Trouble::Unvouched(_) | Trouble::Volatile(_) | Trouble::Unfit(_) => {
            true
        }
        Trouble::Lost { .. } => false,
        Trouble::Answered { code, inside, .. } => {
            !inside && BEFORE_RUNNING.contains(&code.as_str())
        }
    };
    if matches!(trouble, Trouble::Answered { .. }) && !certain && !trouble.is_amid_a_move() {
        tracing::error!("a commit failed inside Redis, perhaps half-way: {text}");
    }
    if certain && !sent {
        CommitError::Rejected(text)
    } else {
        CommitError::Unknown(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_did_not_run_is_rejected() {
        let answered = |code: &str, inside| Trouble::Answered {
            code: code.into(),
            text: String::new(),
            inside,
        };
        let refused = Trouble::Refused(String::new());
        let lost = Trouble::Lost {
            text: String::new(),
            hung: true,
        };
        for (trouble, sent, certain) in [
            (Trouble::Unfit(Reason::Rollback), false, true),
            (Trouble::Unfit(Reason::Reopened), true, false),
            (refused.clone(), false, true),
            (refused, true, false),
            (lost, true, false),
            (answered("MISCONF", false), false, true),
            (answered("MISCONF", false), true, false),
            (answered("OOM", true), false, false),
            (answered("WRONGTYPE", true), false, false),
            (answered("ERR", false), false, false),
        ] {
            let told = format!("{trouble:?} {sent}");
            let rejected = matches!(judge(trouble, sent), CommitError::Rejected(_));
            assert_eq!(rejected, certain, "{told}");
        }
    }

    /// The store is refused either way; only a call that was never sent is certain not to be written.
    #[test]
    fn what_was_sent_before_the_store_was_found_unfit_is_not_called_unwritten() {
        for reason in [Reason::Gone, Reason::OtherLog] {
            for sent in [false, true] {
                let judged = judge(Trouble::Unfit(reason), sent);
                assert_eq!(judged, CommitError::Unfit { reason, sent });
            }
        }
    }
}
