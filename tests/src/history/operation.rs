//! One call of a history, and how a fault names it.

use std::{fmt, time::Duration};

/// One call, with all of its repeats by the same request id.
#[derive(Clone, Debug)]
pub struct Operation {
    /// When the first try was sent, and when the last answer came: times since the history began.
    pub begin: Duration,
    pub end: Duration,
    pub what: What,
    pub outcome: Outcome,
    /// What the refusal of a change said, if no call may be refused.
    pub refusal: Option<String>,
}

/// What came of a change. Of a Check its [`Answer`] says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was acknowledged.
    Done,
    /// It was refused, so it changed nothing.
    Refused,
    /// It may have been done, and may be done later.
    Unknown,
}

#[derive(Clone, Debug)]
pub enum What {
    Mint {
        /// A name that the history gives the token. Only a mint that is done has one.
        token: String,
        /// As its issuer told it.
        serial: String,
        owner: String,
    },
    Take(Takeaway),
    /// A fact holds again.
    Give(String),
    Check(Check),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Takeaway {
    /// A token by its name in the history.
    Token(String),
    /// All tokens that this owner has now.
    Floor(String),
    /// A fact that Checks need, by a name that the history gives it. It holds when the history begins.
    Fact(String),
}

#[derive(Clone, Debug)]
pub struct Check {
    pub verifier: String,
    pub token: String,
    /// What the Check needs besides its token.
    pub facts: Vec<String>,
    /// Whether all changes had ended before, and the view was asked to have all of them.
    pub at_end: bool,
    pub answer: Answer,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Allow,
    /// Denied for this reason.
    Deny(String),
    /// There was no answer: the verifier could not judge, or could not be reached.
    Unavailable,
    /// An error that says that the caller did something wrong.
    Error(String),
}

impl fmt::Display for Takeaway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => write!(f, "the revocation of token {token}"),
            Self::Floor(owner) => write!(f, "the revocation of all tokens of {owner}"),
            Self::Fact(fact) => write!(f, "the end of \"{fact}\""),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Mint { token, owner, .. } if token.is_empty() => write!(f, "a mint for {owner}"),
            What::Mint { token, owner, .. } => write!(f, "the mint of token {token} for {owner}"),
            What::Take(takeaway) => takeaway.fmt(f),
            What::Give(fact) => write!(f, "the beginning of \"{fact}\""),
            What::Check(check) => {
                let when = if check.at_end { "the last" } else { "a" };
                let Check {
                    token, verifier, ..
                } = check;
                write!(f, "{when} Check of token {token} at {verifier}")
            }
        }?;
        let [begin, end] = [self.begin, self.end].map(|it| it.as_secs_f64());
        write!(f, " ({begin:.3} to {end:.3} s)")
    }
}
