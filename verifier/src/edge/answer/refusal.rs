//! Chooses the status, code and sentence of a refusal, in one table whose rows are tested one by one. It
//! must not know which door answers.
//!
//! For an anonymous caller, the answer for a thing that it may not see is byte for byte the answer for a
//! thing that does not exist. The same holds for a caller with a token, with another answer. A credential
//! that isn't good always gets 401, and the answer never says why.

use tokenward_common::{
    access::{Permission, PermissionClass},
    state::record::RepoKind,
};
use tokenward_proto::v1::Reason;

use crate::{
    decide::Denial,
    edge::{
        judge::{Judgement, Outcome},
        path::TargetError,
        routes::{Need, Thing, Unrouted},
    },
};

/// This is the longest message in bytes. It is one line in a header, and longer text helps nobody.
const MAX_MESSAGE: usize = 600;

/// The hub's clients recognize exactly this sentence.
const INVALID_CREDENTIALS: &str = "Invalid credentials in Authorization header";
const INVALID_USER: &str = "Invalid username or password.";
const NOT_FOUND: &str = "Repository not found";
/// The hub's clients recognize exactly this sentence.
const DISABLED: &str = "Access to this resource is disabled.";
const GATED_SETTING: &str = "Please enable access to public gated repositories in your fine-grained \
                             token settings to view this repository.";
const WRITE_TOKEN: &str = "you must use a write token to upload to a repository";
const CREATE_PR: &str = "pass `create_pr=1` as a query parameter to create a Pull Request";
const UNSEEN: &str =
    "; the proxy hands no bodies to the check, so whatever was asked counts as an upload";
const UNDECIDED: &str = "access can't be judged at the moment; try again in a second";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpRefusal {
    pub status: u16,
    pub code: Option<Code>,
    /// The message is one line of ASCII.
    pub message: String,
    /// This is the new address of the same thing. Only a 307 has it.
    pub location: Option<Box<str>>,
    /// This is a stable word for the reason. A credential that isn't good never gets one.
    pub reason: Option<String>,
    pub challenge: Challenge,
}

/// Says what the caller could do with another credential (RFC 6750, section 3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Challenge {
    /// On a 401 the caller should log in. On any other status another credential does not help.
    #[default]
    Plain,
    /// The token isn't good, and the caller needs another.
    InvalidToken,
    /// The token is good but may not do this. Another token may.
    InsufficientScope,
}

/// These are the error codes that the hub's clients know, as far as access can cause them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    RepoNotFound,
    GatedRepo,
}

impl Code {
    pub fn name(self) -> &'static str {
        match self {
            Self::RepoNotFound => "RepoNotFound",
            Self::GatedRepo => "GatedRepo",
        }
    }
}

/// Makes the refusal of a judgement. `None` means that the request is allowed.
pub fn refusal(judgement: &Judgement, hub_url: &str) -> Option<HttpRefusal> {
    Some(match &judgement.outcome {
        Outcome::Allowed => return None,
        Outcome::LoginRequired => plain(401, INVALID_USER).because(Reason::LoginRequired),
        Outcome::Moved(location) => HttpRefusal {
            location: Some(location.clone()),
            ..plain(
                307,
                &format!("Temporary Redirect. Redirecting to {location}"),
            )
        },
        Outcome::Unrouted(why) => plain(unrouted(*why), &why.to_string()),
        Outcome::Refused { status, rule } => plain(*status, rule),
        Outcome::Undecided(_) => plain(503, UNDECIDED),
        Outcome::Denied {
            denial,
            need,
            billed,
        } => {
            let said = Said {
                judgement,
                denial,
                need: need.as_ref(),
                billed: billed.as_deref(),
                hub_url,
            };
            said.refusal()
        }
    })
}

fn plain(status: u16, message: &str) -> HttpRefusal {
    HttpRefusal {
        status,
        code: None,
        message: one_line(message),
        location: None,
        reason: None,
        challenge: Challenge::Plain,
    }
}

fn coded(status: u16, code: Code, message: &str) -> HttpRefusal {
    HttpRefusal {
        code: Some(code),
        ..plain(status, message)
    }
}

impl HttpRefusal {
    fn and(self, challenge: Challenge) -> Self {
        Self { challenge, ..self }
    }

    fn because(self, reason: Reason) -> Self {
        Self {
            reason: Some(word_of(reason)),
            ..self
        }
    }
}

/// Turns the name of a reason into its word: `REASON_TOKEN_EXPIRED` becomes `token_expired`.
pub fn word_of(reason: Reason) -> String {
    let name = reason.as_str_name();
    let name = name.strip_prefix("REASON_").unwrap_or(name);
    name.to_ascii_lowercase()
}

/// Returns the status of an unrouted request. It is 403 if another route table or another proxy might
/// accept the request.
fn unrouted(why: Unrouted) -> u16 {
    match why {
        Unrouted::Unknown | Unrouted::NeedsBody | Unrouted::OneModel => 403,
        Unrouted::BodyTooLong => 413,
        Unrouted::BodyEncoded => 415,
        Unrouted::Target(TargetError::TooLong) => 414,
        Unrouted::Target(_)
        | Unrouted::Body(_)
        | Unrouted::PathModel
        | Unrouted::QueryModel
        | Unrouted::BillTo => 400,
    }
}

/// Holds a denial and what it was about, to write its refusal.
struct Said<'a> {
    judgement: &'a Judgement,
    denial: &'a Denial,
    need: Option<&'a Need>,
    billed: Option<&'a str>,
    hub_url: &'a str,
}

impl Said<'_> {
    fn refusal(&self) -> HttpRefusal {
        use Reason::*;
        let reason = self.denial.reason;
        let refusal = match reason {
            TokenMalformed | TokenKeyUnknown | TokenSignature | TokenClaims | TokenExpired
            | TokenRevoked | TokenKeyWithdrawn | OwnerUnknown | OwnerDisabled => {
                return HttpRefusal {
                    challenge: Challenge::InvalidToken,
                    ..plain(401, INVALID_CREDENTIALS)
                };
            }
            NotFound => self.not_found(),
            LoginRequired => self.login_required(),
            ResourceDisabled => plain(403, DISABLED),
            GateNotRequested | GatePending | GateRejected => {
                coded(403, Code::GatedRepo, &self.behind_the_gate())
            }
            TokenGatedFlag => {
                coded(403, Code::GatedRepo, GATED_SETTING).and(Challenge::InsufficientScope)
            }
            TokenRole | TokenScope => self.forbidden().and(Challenge::InsufficientScope),
            // A reason that a later version added is a refusal too.
            Unspecified | OwnerRole | OrgPolicy | OrgApprovalPending | OrgDenied | OrgRevoked => {
                self.forbidden()
            }
        };
        self.as_seen(refusal).because(reason)
    }

    /// Explains to the caller that a download was refused as an upload, if the door did not see the body.
    fn as_seen(&self, refusal: HttpRefusal) -> HttpRefusal {
        let writes = self.need.map(|need| need.permission.class()) == Some(PermissionClass::Write);
        if !self.judgement.unseen || !writes || refusal.code.is_some() {
            return refusal;
        }
        HttpRefusal {
            message: one_line(&format!("{}{UNSEEN}", refusal.message)),
            ..refusal
        }
    }

    fn not_found(&self) -> HttpRefusal {
        match (self.repo().is_some(), self.judgement.anonymous) {
            (true, true) => coded(401, Code::RepoNotFound, INVALID_USER),
            (true, false) => coded(404, Code::RepoNotFound, NOT_FOUND),
            (false, true) => plain(401, INVALID_USER),
            (false, false) => plain(404, &self.denial.message),
        }
    }

    /// A public repo's content needs no login unless it has a gate.
    fn login_required(&self) -> HttpRefusal {
        match self.repo() {
            Some(repo) if self.asks(Permission::RepoContentRead) => {
                let text = format!(
                    "Access to {repo} is restricted. You must have access to it and be authenticated \
                     to access it. Please log in."
                );
                coded(401, Code::GatedRepo, &text)
            }
            Some(_) => plain(401, &self.denial.message),
            None => plain(401, INVALID_USER),
        }
    }

    fn behind_the_gate(&self) -> String {
        let repo = self.repo().unwrap_or_else(|| "this repository".into());
        let ask = match self.denial.reason {
            Reason::GatePending => {
                "Your request is awaiting a review from the repo authors.".to_owned()
            }
            Reason::GateRejected => {
                "Your request has been rejected by the repo authors.".to_owned()
            }
            _ => format!("Visit {} to ask for access.", self.page()),
        };
        format!("Access to {repo} is restricted and you are not in the authorized list. {ask}")
    }

    fn forbidden(&self) -> HttpRefusal {
        let message = self.forbidden_message();
        // Without a code that they know, clients take a 403 on a download for a bad network and report it
        // so. This code makes all of them show the sentence and advise a token with read permission. A
        // gate's code would send people to a gate that doesn't exist. The status distinguishes it from a
        // missing repo. Measured: `tests/cases/shown.tsv`.
        let reads =
            self.asks(Permission::RepoContentRead) || self.asks(Permission::RepoMetadataRead);
        if reads && self.repo().is_some() {
            return coded(403, Code::RepoNotFound, &message);
        }
        plain(403, &message)
    }

    fn forbidden_message(&self) -> String {
        let told = &*self.denial.message;
        let reason = self.denial.reason;
        if let Some(billed) = self.billed {
            return format!(
                "This authentication method does not have sufficient permissions to call Inference \
                 Providers on behalf of {billed}: {told}"
            );
        }
        let Some(need) = self.need else {
            return told.to_owned();
        };
        let writes = need.permission.class() == PermissionClass::Write;
        match (&need.on, reason) {
            (Thing::Repo { .. }, Reason::TokenRole) if writes => format!("{WRITE_TOKEN}: {told}"),
            (Thing::Repo { .. }, Reason::OwnerRole) if self.judgement.offers_pr => {
                format!("{CREATE_PR}: {told}")
            }
            (Thing::Account(name), Reason::OwnerRole) => match self.judgement.creates {
                Some(kind) => format!(
                    "You don't have the rights to create a {} under the namespace {name}: {told}",
                    word(kind)
                ),
                None => told.to_owned(),
            },
            _ => told.to_owned(),
        }
    }

    fn asks(&self, permission: Permission) -> bool {
        self.need.is_some_and(|need| need.permission == permission)
    }

    /// Describes the repo, as in `model acme/llm`. `None` means that the refusal was not about a repo.
    fn repo(&self) -> Option<String> {
        match &self.need?.on {
            Thing::Repo { kind, owner, name } => Some(format!("{} {owner}/{name}", word(*kind))),
            _ => None,
        }
    }

    fn page(&self) -> String {
        match self.need.map(|need| &need.on) {
            Some(Thing::Repo { kind, owner, name }) => {
                let prefix = match kind {
                    RepoKind::Model => String::new(),
                    other => format!("{}s/", word(*other)),
                };
                format!("{}/{prefix}{owner}/{name}", self.hub_url)
            }
            _ => self.hub_url.to_owned(),
        }
    }
}

fn word(kind: RepoKind) -> &'static str {
    match kind {
        RepoKind::Model => "model",
        RepoKind::Dataset => "dataset",
        RepoKind::Space => "space",
        RepoKind::Bucket => "bucket",
        RepoKind::Kernel => "kernel",
        RepoKind::Collection => "collection",
        RepoKind::Endpoint => "endpoint",
    }
}

/// Makes a text fit for a header, whatever a request named. It is also safe for a proxy that copies it
/// unescaped into a JSON string.
fn one_line(text: &str) -> String {
    let fine = |c: char| match c {
        '"' => '\'',
        ' ' => ' ',
        c if c.is_ascii_graphic() && c != '\\' => c,
        _ => '?',
    };
    text.chars().take(MAX_MESSAGE).map(fine).collect()
}
