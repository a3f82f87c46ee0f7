//! A small directory. Every case has a copy of its own: a corner of the hub.

use tokenward_proto::v1::{
    AccountRef, Anonymous, CheckRequest, CreateTokenRequest, EntityKind, GateGrant, GateGrantKey,
    GateMode, GrantState, Member, MemberKey, Operation, Org, OrgRole, Repo, RepoKind, RepoRef,
    Resource, Role, Scope, Scopes, User, Visibility, check_request::Caller,
    operation::Operation as Op, resource,
};

pub const READ: &str = "repo.content.read";
pub const WRITE: &str = "repo.write";

/// Makes an operation of a batch.
pub fn op(operation: Op) -> Operation {
    Operation {
        operation: Some(operation),
        ..Operation::default()
    }
}

/// A corner of the hub. ada may read the org acme, grace is its admin, linus is no member but has a grant
/// for its gated model, mary has requested one. An id is a name with a letter before it; all names end
/// with the corner's tag.
#[derive(Clone, Debug)]
pub struct Corner(String);

impl Corner {
    pub fn new(tag: &str) -> Self {
        Self(tag.to_owned())
    }

    /// Returns a name with the corner's tag.
    pub fn of(&self, name: &str) -> String {
        format!("{name}-{}", self.0)
    }

    pub fn user(&self, name: &str) -> User {
        User {
            id: self.of(&format!("u-{name}")),
            name: self.of(name),
            ..User::default()
        }
    }

    pub fn user_id(&self, name: &str) -> String {
        self.of(&format!("u-{name}"))
    }

    pub fn member(&self, name: &str, role: OrgRole) -> Operation {
        op(Op::PutMember(Member {
            org_id: self.of("o-acme"),
            user_id: self.user_id(name),
            role: role.into(),
        }))
    }

    pub fn no_member(&self, name: &str) -> Operation {
        op(Op::DeleteMember(MemberKey {
            org_id: self.of("o-acme"),
            user_id: self.user_id(name),
        }))
    }

    /// Returns a model of the org, public and without a gate. Its id is `m-NAME`.
    pub fn model(&self, name: &str) -> Repo {
        Repo {
            id: self.of(&format!("m-{name}")),
            kind: RepoKind::Model.into(),
            owner_id: self.of("o-acme"),
            name: name.into(),
            visibility: Visibility::Public.into(),
            gate: GateMode::None.into(),
            creator_id: self.user_id("grace"),
            ..Repo::default()
        }
    }

    pub fn private(&self, name: &str) -> Repo {
        Repo {
            visibility: Visibility::Private.into(),
            ..self.model(name)
        }
    }

    pub fn gated(&self, name: &str) -> Repo {
        Repo {
            gate: GateMode::Manual.into(),
            ..self.model(name)
        }
    }

    pub fn grant(&self, repo: &str, user: &str, state: GrantState) -> Operation {
        op(Op::PutGateGrant(GateGrant {
            repo_id: self.of(&format!("m-{repo}")),
            user_id: self.user_id(user),
            state: state.into(),
        }))
    }

    pub fn no_grant(&self, repo: &str, user: &str) -> Operation {
        op(Op::DeleteGateGrant(GateGrantKey {
            repo_id: self.of(&format!("m-{repo}")),
            user_id: self.user_id(user),
        }))
    }

    /// Returns the operations that write the whole corner.
    pub fn operations(&self) -> Vec<Operation> {
        let mut all: Vec<_> = ["ada", "grace", "linus", "mary"]
            .map(|name| op(Op::PutUser(self.user(name))))
            .into();
        all.push(op(Op::PutOrg(Org {
            id: self.of("o-acme"),
            name: self.of("acme"),
            display: None,
        })));
        all.push(self.member("ada", OrgRole::Read));
        all.push(self.member("grace", OrgRole::Admin));
        for repo in [
            self.model("open"),
            self.private("secret"),
            self.gated("gated"),
            Repo {
                id: self.of("d-notes"),
                kind: RepoKind::Dataset.into(),
                owner_id: self.user_id("ada"),
                name: "notes".into(),
                ..self.private("notes")
            },
        ] {
            all.push(op(Op::PutRepo(repo)));
        }
        all.push(self.grant("gated", "linus", GrantState::Accepted));
        all.push(self.grant("gated", "mary", GrantState::Pending));
        all
    }

    /// Names the model `acme/NAME`.
    pub fn by_name(&self, name: &str) -> Resource {
        repo(RepoRef {
            kind: RepoKind::Model.into(),
            name: format!("{}/{name}", self.of("acme")),
            id: String::new(),
        })
    }

    /// Names the model by its id, `m-NAME`.
    pub fn by_id(&self, name: &str) -> Resource {
        repo(RepoRef {
            kind: RepoKind::Model.into(),
            name: String::new(),
            id: self.of(&format!("m-{name}")),
        })
    }

    pub fn notes(&self) -> Resource {
        repo(RepoRef {
            kind: RepoKind::Dataset.into(),
            name: format!("{}/notes", self.of("ada")),
            id: String::new(),
        })
    }

    /// Names an account.
    pub fn account(&self, name: &str) -> Resource {
        Resource {
            resource: Some(resource::Resource::Account(AccountRef {
                name: self.of(name),
                id: String::new(),
            })),
        }
    }

    /// Builds the question: may this token read the org's model of this name?
    pub fn read(&self, token: &str, name: &str) -> CheckRequest {
        question(token, self.by_name(name), READ)
    }

    pub fn write(&self, token: &str, name: &str) -> CheckRequest {
        question(token, self.by_name(name), WRITE)
    }

    /// Returns the request for a fine-grained token of a user, with one scope on one of the org's models
    /// or without scopes.
    pub fn fine_grained(&self, owner: &str, name: &str, model: Option<&str>) -> CreateTokenRequest {
        let scoped = model.map(|model| Scope {
            entity_kind: EntityKind::Model.into(),
            entity_id: self.of(&format!("m-{model}")),
            permissions: vec![READ.into()],
            ..Scope::default()
        });
        CreateTokenRequest {
            owner_id: self.user_id(owner),
            name: name.into(),
            role: Role::FineGrained.into(),
            scopes: Some(Scopes {
                scoped: scoped.into_iter().collect(),
                ..Scopes::default()
            }),
            ..CreateTokenRequest::default()
        }
    }
}

fn repo(repo: RepoRef) -> Resource {
    Resource {
        resource: Some(resource::Resource::Repo(repo)),
    }
}

/// Builds a question. An empty token means a caller without a token.
pub fn question(token: &str, resource: Resource, permission: &str) -> CheckRequest {
    let caller = if token.is_empty() {
        Caller::Anonymous(Anonymous {})
    } else {
        Caller::Token(token.into())
    };
    CheckRequest {
        caller: Some(caller),
        resource: Some(resource),
        permission: permission.into(),
        ..CheckRequest::default()
    }
}
