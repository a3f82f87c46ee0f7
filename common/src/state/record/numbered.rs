//! What a record says by one of a few words: each has a number that stays, which is how it is stored.

use crate::closed::closed_list;

closed_list!(
    /// Ordered: a later one may do all that an earlier one may.
    OrgRole {
        /// A member without a right of their own; a resource group can still admit them.
        NoAccess = 1;
        /// Reads all of the org's repos that lie in no resource group.
        Read = 2;
        /// Creates repos too, and writes those that they created.
        Contributor = 3;
        /// Writes all of the org's repos that lie in no resource group.
        Write = 4;
        /// Writes everything, resource groups included, and changes the org itself.
        Admin = 5;
    }
);
closed_list!(
    /// What a repo is; each kind has names of its own.
    RepoKind {
        /// A git repo with a model.
        Model = 1;
        /// A git repo with a dataset.
        Dataset = 2;
        /// A git repo with an app that the hub runs.
        Space = 3;
        /// A bucket of files, which is no git repo.
        Bucket = 4;
        /// A git repo with a compute kernel.
        Kernel = 5;
        /// A collection: a list of things of the hub, which holds no content and has no gate.
        Collection = 6;
        /// An inference endpoint, which has no content and no gate.
        Endpoint = 7;
    }
);
closed_list!(
    /// Strictest first.
    Visibility {
        /// Seen by its owner, and by the members of its org or group.
        Private = 1;
        /// A space whose app is public and whose source is private.
        Protected = 2;
        /// Seen by everybody, without a token too.
        Public = 3;
    }
);
closed_list!(
    /// Strictest first.
    GateMode {
        /// The repo's authors answer each request for access.
        Manual = 1;
        /// The hub accepts each request by itself; who never asked is kept out all the same.
        Auto = 2;
        /// Nobody needs a grant.
        None = 3;
    }
);
closed_list!(
    /// What became of a request for access to a gated repo.
    GrantState {
        /// Nobody answered it yet: the content stays closed.
        Pending = 1;
        /// The user may read the content.
        Accepted = 2;
        /// The authors said no: the content stays closed.
        Rejected = 3;
    }
);
closed_list!(
    /// Ordered: a later one may do all that an earlier one may.
    GroupRole {
        /// Reads the group's repos.
        Read = 1;
        /// Writes those of the group's repos too that they created.
        Contributor = 2;
        /// Writes all of the group's repos.
        Write = 3;
        /// Writes all of the group's repos, and needs no grant where the org's members do.
        Admin = 4;
    }
);
closed_list!(
    /// Which tokens reach what an org owns. Strictest first.
    TokenPolicy {
        /// Fine-grained ones that the org's admins approved.
        AdminApproval = 1;
        /// Fine-grained ones, without an approval.
        FineGrainedOnly = 2;
        /// Tokens of every role, as if there were no policy.
        Allow = 3;
    }
);
closed_list!(
    /// What an org decided of one token.
    Approval {
        /// Nobody decided yet, or the owner left the org since: no approval.
        Pending = 1;
        /// The token may reach what the org owns, where the policy asks for approval.
        Approved = 2;
        /// An admin said no; it can still be approved.
        Denied = 3;
        /// For ever.
        Revoked = 4;
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
