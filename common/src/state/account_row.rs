//! Encodes an account's row, which holds the records of one id: a user, an org, nothing, or (a fault of the
//! hub) both. A row also holds whether the id was deleted: no record in it counts then. This file must not
//! know other rows.
//!
//! A row is one byte of flags, the user's part and the org's part. The user's part is the row of its org if
//! it is a service account, its name and its display. The org's part is its name and its display.

use super::{
    names::same_name,
    packed::{Reader, push_length, push_text},
};

const USER: u8 = 1;
const ORG: u8 = 2;
const DISABLED: u8 = 4;
const SERVICE_ACCOUNT: u8 = 8;
const RETIRED: u8 = 16;

/// States the kind of a row that has exactly one record, and whose id wasn't deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountKind {
    User { disabled: bool },
    ServiceAccount { of: u32, disabled: bool },
    Org,
}

impl AccountKind {
    /// This many of a body's first bytes are enough to determine the kind.
    pub(super) const BYTES: usize = 5;

    pub(super) fn from_body(body: &[u8]) -> Option<Self> {
        let mut body = Reader(body);
        let flags = body.u8()?;
        let disabled = flags & DISABLED != 0;
        if flags & RETIRED != 0 {
            return None;
        }
        match (flags & USER != 0, flags & ORG != 0) {
            (true, false) if flags & SERVICE_ACCOUNT != 0 => Some(Self::ServiceAccount {
                of: body.u32()?,
                disabled,
            }),
            (true, false) => Some(Self::User { disabled }),
            (false, true) => Some(Self::Org),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct UserPart<'a> {
    pub(super) disabled: bool,
    pub(super) service_account_of: Option<u32>,
    pub(super) name: &'a str,
    pub(super) display: &'a [u8],
}

#[derive(Clone, Copy)]
pub(super) struct OrgPart<'a> {
    pub(super) name: &'a str,
    pub(super) display: &'a [u8],
}

#[derive(Clone, Copy, Default)]
pub(super) struct Row<'a> {
    pub(super) user: Option<UserPart<'a>>,
    pub(super) org: Option<OrgPart<'a>>,
    pub(super) retired: bool,
}

impl<'a> Row<'a> {
    pub(super) fn read(body: &'a [u8]) -> Self {
        Self::try_read(body).unwrap_or_default()
    }

    fn try_read(body: &'a [u8]) -> Option<Self> {
        let mut body = Reader(body);
        let flags = body.u8()?;
        let user = if flags & USER != 0 {
            let service_account_of = if flags & SERVICE_ACCOUNT != 0 {
                Some(body.u32()?)
            } else {
                None
            };
            let (name, display) = named(&mut body)?;
            Some(UserPart {
                disabled: flags & DISABLED != 0,
                service_account_of,
                name,
                display,
            })
        } else {
            None
        };
        let org = if flags & ORG != 0 {
            let (name, display) = named(&mut body)?;
            Some(OrgPart { name, display })
        } else {
            None
        };
        Some(Self {
            user,
            org,
            retired: flags & RETIRED != 0,
        })
    }

    /// Returns the row's encoding; it is empty if the row holds nothing.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut flags = if self.retired { RETIRED } else { 0 };
        let mut rest = Vec::new();
        if let Some(user) = self.user {
            flags |= USER;
            if user.disabled {
                flags |= DISABLED;
            }
            if let Some(org) = user.service_account_of {
                flags |= SERVICE_ACCOUNT;
                rest.extend_from_slice(&org.to_le_bytes());
            }
            push_named(&mut rest, user.name, user.display);
        }
        if let Some(org) = self.org {
            flags |= ORG;
            push_named(&mut rest, org.name, org.display);
        }
        if flags == 0 {
            return rest;
        }
        rest.insert(0, flags);
        rest
    }

    /// Returns whether a row with exactly one record has this name. It ignores the case of ASCII letters.
    pub(super) fn is_named(body: &[u8], name: &str) -> bool {
        let mut body = Reader(body);
        let own = body.u8().and_then(|flags| {
            let sole = flags & USER == 0 || flags & ORG == 0;
            if flags & SERVICE_ACCOUNT != 0 {
                body.u32()?;
            }
            let len = body.u8()?;
            sole.then_some(body.bytes(usize::from(len))?)
        });
        own.is_some_and(|own| same_name(own, name.as_bytes()))
    }

    /// Returns the name for the index: the name of a row with exactly one record.
    pub(super) fn sole_name(&self) -> Option<&'a str> {
        match (self.user, self.org) {
            (Some(user), None) => Some(user.name),
            (None, Some(org)) => Some(org.name),
            _ => None,
        }
    }
}

fn named<'a>(body: &mut Reader<'a>) -> Option<(&'a str, &'a [u8])> {
    let name = body.text()?;
    let len = body.length()?;
    Some((name, body.bytes(len)?))
}

fn push_named(out: &mut Vec<u8>, name: &str, display: &[u8]) {
    push_text(out, name);
    push_length(out, display.len());
    out.extend_from_slice(display);
}
