//! Declares the closed lists of values in records. Each value has a fixed number, by which it is stored. This
//! file must not know what a decision makes of a value.

use crate::closed::closed_list;

closed_list!(
    /// States a member's role in an org. The roles are ordered: a later one may do all that an earlier one
    /// may.
    OrgRole {
        /// The member has no rights of their own; a resource group can still admit them.
        NoAccess = 1;
        /// Reads all of the org's repos that lie in no resource group.
        Read = 2;
        /// May do what `Read` may, creates repos, and writes the repos that they created.
        Contributor = 3;
        /// Writes all of the org's repos that lie in no resource group.
        Write = 4;
        /// Writes everything, resource groups included, and changes the org itself.
        Admin = 5;
    }
);
closed_list!(
    /// States the kind of a repo; each kind has its own set of names.
    RepoKind {
        /// The repo is a git repo with a model.
        Model = 1;
        /// The repo is a git repo with a dataset.
        Dataset = 2;
        /// The repo is a git repo with an app that the hub runs.
        Space = 3;
        /// The repo is a bucket of files, which is no git repo.
        Bucket = 4;
        /// The repo is a git repo with a compute kernel.
        Kernel = 5;
        /// The repo is a collection: a list of resources of the hub, which holds no content and has no gate.
        Collection = 6;
        /// The repo is an inference endpoint, which has no content and no gate.
        Endpoint = 7;
    }
);
closed_list!(
    /// States who may see a repo. The strictest comes first.
    Visibility {
        /// The repo is seen by its owner, and by the members of its org or group.
        Private = 1;
        /// The repo is a space whose app is public and whose source is private.
        Protected = 2;
        /// The repo is seen by everybody, also without a token.
        Public = 3;
    }
);
closed_list!(
    /// States how access to a repo's content is granted. The strictest comes first.
    GateMode {
        /// The repo's authors answer each request for access.
        Manual = 1;
        /// The hub accepts each request by itself; a user who never requested access is still kept out.
        Auto = 2;
        /// Nobody needs a gate grant.
        None = 3;
    }
);
closed_list!(
    /// States the outcome of a request for access to a gated repo.
    GrantState {
        /// Nobody has answered the request yet: the content stays closed.
        Pending = 1;
        /// The user may read the content.
        Accepted = 2;
        /// The authors rejected the request: the content stays closed.
        Rejected = 3;
    }
);
closed_list!(
    /// States a user's role in a resource group. The roles are ordered: a later one may do all that an
    /// earlier one may.
    GroupRole {
        /// Reads the group's repos.
        Read = 1;
        /// May do what `Read` may, and writes the group's repos that they created.
        Contributor = 2;
        /// Writes all of the group's repos.
        Write = 3;
        /// Writes all of the group's repos, and needs no gate grant where the org's members need one.
        Admin = 4;
    }
);
closed_list!(
    /// States which tokens may reach what an org owns. The strictest comes first.
    TokenPolicy {
        /// Only fine-grained tokens that the org's admins approved may reach what the org owns.
        AdminApproval = 1;
        /// Only fine-grained tokens may reach what the org owns; they need no approval.
        FineGrainedOnly = 2;
        /// Tokens of every role may reach what the org owns, as if there were no policy.
        Allow = 3;
    }
);
closed_list!(
    /// States what an org decided on one token.
    Approval {
        /// Nobody has decided yet, or the owner has left the org since: there is no approval.
        Pending = 1;
        /// The token may reach what the org owns, where the policy requires approval.
        Approved = 2;
        /// An admin denied the token; it can still be approved.
        Denied = 3;
        /// The org revoked the token for ever.
        Revoked = 4;
    }
);

impl GroupRole {
    /// Returns the org role that has the same rights.
    pub fn org_role(self) -> OrgRole {
        match self {
            Self::Read => OrgRole::Read,
            Self::Contributor => OrgRole::Contributor,
            Self::Write => OrgRole::Write,
            Self::Admin => OrgRole::Admin,
        }
    }
}
