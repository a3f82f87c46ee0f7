//! The facts of a genuine token that decisions need. Facts may be remembered. What the state holds
//! about them is judged at every use.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;
use tokenward_common::{
    access::Ceiling,
    clock::UnixTime,
    id::{KeyId, Serial, TokenId},
    replica::Usage,
    state::{AmendmentView, KnownAccount},
    store::Used,
    token::{MemoKey, Verified},
};

/// The facts of one genuine token. They are true for ever, whatever the state is now.
#[derive(Debug)]
pub struct Genuine {
    /// The key under which the memo holds the token.
    pub key: MemoKey,
    pub serial: Serial,
    pub tid: TokenId,
    pub owner: Box<str>,
    /// The owner, to be looked up.
    pub account: KnownAccount,
    pub kid: Arc<KeyId>,
    pub exp: Option<UnixTime>,
    pub ceiling: Ceiling,
    /// The compiled ceiling of the last amendment seen.
    amended: ArcSwapOption<Amended>,
    /// The hour of the last use that was noted; 0 before the first.
    noted: AtomicU32,
}

/// A ceiling, with the very bytes from which it was compiled.
pub struct Amended {
    settings: Box<[u8]>,
    ceiling: Ceiling,
}

impl Amended {
    pub fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }
}

impl fmt::Debug for Amended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ceiling.fmt(f)
    }
}

impl Genuine {
    /// Returns what the amendment's settings allow, or `None` if they can't be read. The result is
    /// compiled once for the same bytes, in whichever amendment they came. The result for other bytes
    /// is never used.
    pub fn amended(&self, amendment: &AmendmentView<'_>) -> Option<Arc<Amended>> {
        if let Some(known) = self.amended.load_full()
            && *known.settings == *amendment.settings
        {
            return Some(known);
        }
        let settings = amendment.decoded()?;
        let compiled = Arc::new(Amended {
            settings: amendment.settings.into(),
            ceiling: Ceiling::compile(settings.role, settings.scopes.as_ref()),
        });
        self.amended.store(Some(Arc::clone(&compiled)));
        Some(compiled)
    }

    /// Notes the use, at most once an hour as long as there is room.
    pub fn note(&self, usage: &Usage, at: UnixTime) {
        let hour = u32::try_from(at.0 / 3600).unwrap_or(u32::MAX);
        if self.noted.load(Relaxed) == hour {
            return;
        }
        let used = Used {
            token: self.tid,
            hour,
        };
        if usage.note(used) {
            self.noted.store(hour, Relaxed);
        }
    }

    #[cfg(test)]
    pub(crate) fn plant(&self, settings: &[u8], ceiling: Ceiling) {
        self.amended.store(Some(Arc::new(Amended {
            settings: settings.into(),
            ceiling,
        })));
    }
}

impl Genuine {
    pub fn new(key: MemoKey, verified: &Verified) -> Self {
        let claims = verified.claims();
        Self {
            key,
            serial: claims.serial,
            tid: claims.tid,
            owner: claims.sub.as_str().into(),
            account: KnownAccount::from(&claims.sub),
            kid: Arc::clone(verified.shared_kid()),
            exp: claims.exp,
            ceiling: Ceiling::compile(claims.role, claims.scopes.as_ref()),
            amended: ArcSwapOption::empty(),
            noted: AtomicU32::new(0),
        }
    }
}

/// Makes some account's token, which differs from others by its serial.
#[cfg(test)]
pub(crate) fn of(key: MemoKey, serial: u64) -> Genuine {
    use tokenward_common::{id::AccountId, token::Role};
    let owner = AccountId::parse("ada").expect("an id");
    Genuine {
        key,
        serial: Serial(serial),
        tid: TokenId(serial),
        owner: owner.as_str().into(),
        account: KnownAccount::from(&owner),
        kid: Arc::new(KeyId::parse("k1").expect("a key's id")),
        exp: None,
        ceiling: Ceiling::from_role(Role::Read),
        amended: ArcSwapOption::empty(),
        noted: AtomicU32::new(0),
    }
}
