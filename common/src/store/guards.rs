//! This file holds the guards of the promise as a value that the library takes. A program's `main`
//! passes [`Guards::ALL`], and nothing can change it. A test switches one guard off to see the failure
//! that it prevents. It must not know how a guard works.

/// The guards of the promise; `true` means that the guard stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guards {
    /// A view past its bound answers nothing.
    pub freshness: bool,
    /// A view is fresh only once it has applied the head that its confirm returned.
    pub applied_head: bool,
    /// Each entry must name its predecessor's fingerprint.
    pub fingerprints: bool,
    /// The state's counts are compared with the head's.
    pub counts: bool,
    /// A rebuild keeps revoked bits, floors, withdrawn keys, what orgs revoked, retired ids, and the
    /// counts of ended memberships.
    pub monotone: bool,
    /// A commit is acknowledged, and a confirm believed, only when a majority of the data nodes has the
    /// write.
    pub majority: bool,
    /// A commit, a serial and a confirm count only on a stream of a primary for which every issuer has
    /// vouched.
    pub vouching: bool,
    /// After an issuer has vouched for another stream, a late answer of the older one acknowledges nothing,
    /// and nothing is read there.
    pub fence: bool,
    /// After a replica was filled anew, its word counts only once the issuers have vouched again.
    pub continuity: bool,
    /// Tokens with false signatures take a bounded part of a core.
    pub strangers: bool,
}

impl Guards {
    /// Every guard stands.
    pub const ALL: Self = Self {
        freshness: true,
        applied_head: true,
        fingerprints: true,
        counts: true,
        monotone: true,
        majority: true,
        vouching: true,
        fence: true,
        continuity: true,
        strangers: true,
    };
}
