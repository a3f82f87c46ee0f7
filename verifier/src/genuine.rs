//! The facts of a genuine token that decisions are made of. Facts may be remembered; what the state
//! says of them is judged at every use.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use tokenward_common::{
    access::Ceiling,
    clock::UnixTime,
    id::{KeyId, Serial, TokenId},
    replica::Usage,
    state::AmendmentView,
    store::Used,
    token::{Role, Scopes, Verified},
};

const SECONDS_PER_HOUR: u64 = 3600;

/// The facts of one genuine token: true for ever, whatever the state says of it now.
#[derive(Debug)]
pub struct Genuine {
    pub serial: Serial,
    pub tid: TokenId,
    pub owner: Box<str>,
    pub kid: KeyId,
    pub exp: Option<UnixTime>,
    pub ceiling: Ceiling,
    /// What was last compiled from an amendment.
    amended: ArcSwapOption<Amended>,
    /// The hour in which it was last told of as seen.
    seen: AtomicU32,
}

/// A ceiling, and the very settings that it was compiled from.
#[derive(Debug)]
pub struct Amended {
    settings: Box<[u8]>,
    pub ceiling: Ceiling,
}

impl From<&Verified> for Genuine {
    fn from(verified: &Verified) -> Self {
        let claims = verified.claims();
        Self {
            serial: claims.serial,
            tid: claims.tid,
            owner: claims.sub.as_str().into(),
            kid: verified.kid().clone(),
            exp: claims.exp,
            ceiling: ceiling(claims.role, claims.scopes.as_ref()),
            amended: ArcSwapOption::empty(),
            seen: AtomicU32::new(0),
        }
    }
}

impl Genuine {
    /// The ceiling that an amendment sets; `None` when it can't be understood, and then nothing may
    /// be allowed. What is remembered counts only for the very same settings, compared each time.
    pub fn amended(&self, amendment: &AmendmentView<'_>) -> Option<Arc<Amended>> {
        if let Some(known) = self.amended.load_full()
            && *known.settings == *amendment.settings
        {
            return Some(known);
        }
        let settings = amendment.decoded()?;
        let new = Arc::new(Amended {
            settings: amendment.settings.into(),
            ceiling: ceiling(settings.role, settings.scopes.as_ref()),
        });
        self.amended.store(Some(Arc::clone(&new)));
        Some(new)
    }

    /// It was found live at this time: told of once an hour, if there is room to.
    pub fn used(&self, at: UnixTime, usage: &Usage) {
        let hour = u32::try_from(at.0 / SECONDS_PER_HOUR).unwrap_or(u32::MAX);
        if self.seen.load(Relaxed) == hour {
            return;
        }
        let token = self.tid;
        if usage.note(Used { token, hour }) {
            self.seen.store(hour, Relaxed);
        }
    }
}

fn ceiling(role: Role, scopes: Option<&Scopes>) -> Ceiling {
    let mut ceiling = Ceiling::builder(role);
    if let Some(scopes) = scopes {
        for scope in &scopes.scoped {
            let permissions = scope.permissions.iter().map(AsRef::as_ref);
            ceiling = ceiling.scope(scope.kind, &scope.id, permissions);
        }
        ceiling = ceiling.can_read_gated_repos(scopes.can_read_gated_repos);
    }
    ceiling.build()
}
