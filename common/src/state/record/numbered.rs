//! What a record says by one of a few words: each has a number that stays, which is how it is stored.

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$note])* $variant = $number),+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// `None` for 0 and for every number that isn't listed.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub fn number(self) -> u32 {
                self as u8 as u32
            }
        }
    };
}

numbered!(
    /// Ordered: a later one may do all that an earlier one may.
    OrgRole {
        NoAccess = 1,
        Read = 2,
        Contributor = 3,
        Write = 4,
        Admin = 5,
    }
);
numbered!(RepoKind {
    Model = 1,
    Dataset = 2,
    Space = 3,
    Bucket = 4,
    Kernel = 5,
    Collection = 6,
    Endpoint = 7,
});
numbered!(
    /// Strictest first.
    Visibility {
        Private = 1,
        /// A space whose app is public and whose source is private.
        Protected = 2,
        Public = 3,
    }
);
numbered!(
    /// Strictest first.
    GateMode {
        Manual = 1,
        Auto = 2,
        None = 3,
    }
);
numbered!(GrantState {
    Pending = 1,
    Accepted = 2,
    Rejected = 3,
});
numbered!(
    /// Ordered: a later one may do all that an earlier one may.
    GroupRole {
        Read = 1,
        Contributor = 2,
        Write = 3,
        Admin = 4,
    }
);
numbered!(
    /// Which tokens reach what an org owns. Strictest first.
    TokenPolicy {
        /// Fine-grained ones that the org's admins approved.
        AdminApproval = 1,
        FineGrainedOnly = 2,
        Allow = 3,
    }
);
numbered!(
    /// What an org decided of one token.
    Approval {
        Pending = 1,
        Approved = 2,
        Denied = 3,
        /// For ever.
        Revoked = 4,
    }
);

impl GroupRole {
    /// The org's role of the same rights.
    pub fn org_role(self) -> OrgRole {
        match self {
            Self::Read => OrgRole::Read,
            Self::Contributor => OrgRole::Contributor,
            Self::Write => OrgRole::Write,
            Self::Admin => OrgRole::Admin,
        }
    }
}
