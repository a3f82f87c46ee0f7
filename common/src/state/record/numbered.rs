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
            /// Every one, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// `None` for 0 and for every number that isn't listed.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The number that is stored and sent, for ever.
            pub fn number(self) -> u32 {
                self as u8 as u32
            }
        }
    };
}

numbered!(
    /// Ordered: a later one may do all that an earlier one may.
    OrgRole {
        /// A member without a right of their own; a resource group can still admit them.
        NoAccess = 1,
        /// Reads all of the org's repos that lie in no resource group.
        Read = 2,
        /// Creates repos too, and writes those that they created.
        Contributor = 3,
        /// Writes all of the org's repos that lie in no resource group.
        Write = 4,
        /// Writes everything, resource groups included, and changes the org itself.
        Admin = 5,
    }
);
numbered!(
    /// What a repo is; each kind has names of its own.
    RepoKind {
        /// A git repo with a model.
        Model = 1,
        /// A git repo with a dataset.
        Dataset = 2,
        /// A git repo with an app that the hub runs.
        Space = 3,
        /// A bucket of files, which is no git repo.
        Bucket = 4,
        /// A git repo with a compute kernel.
        Kernel = 5,
        /// A collection: a list of things of the hub, which holds no content and has no gate.
        Collection = 6,
        /// An inference endpoint, which has no content and no gate.
        Endpoint = 7,
    }
);
numbered!(
    /// Strictest first.
    Visibility {
        /// Seen by its owner, and by the members of its org or group.
        Private = 1,
        /// A space whose app is public and whose source is private.
        Protected = 2,
        /// Seen by everybody, without a token too.
        Public = 3,
    }
);
numbered!(
    /// Strictest first.
    GateMode {
        /// The repo's authors answer each request for access.
        Manual = 1,
        /// The hub accepts each request by itself; who never asked is kept out all the same.
        Auto = 2,
        /// Nobody needs a grant.
        None = 3,
    }
);
numbered!(
    /// What became of a request for access to a gated repo.
    GrantState {
        /// Nobody answered it yet: the content stays closed.
        Pending = 1,
        /// The user may read the content.
        Accepted = 2,
        /// The authors said no: the content stays closed.
        Rejected = 3,
    }
);
numbered!(
    /// Ordered: a later one may do all that an earlier one may.
    GroupRole {
        /// Reads the group's repos.
        Read = 1,
        /// Writes those of the group's repos too that they created.
        Contributor = 2,
        /// Writes all of the group's repos.
        Write = 3,
        /// Writes all of the group's repos, and needs no grant where the org's members do.
        Admin = 4,
    }
);
numbered!(
    /// Which tokens reach what an org owns. Strictest first.
    TokenPolicy {
        /// Fine-grained ones that the org's admins approved.
        AdminApproval = 1,
        /// Fine-grained ones, without an approval.
        FineGrainedOnly = 2,
        /// Tokens of every role, as if there were no policy.
        Allow = 3,
    }
);
numbered!(
    /// What an org decided of one token.
    Approval {
        /// Nobody decided yet, or the owner left the org since: no approval.
        Pending = 1,
        /// The token may reach what the org owns, where the policy asks for approval.
        Approved = 2,
        /// An admin said no; it can still be approved.
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
