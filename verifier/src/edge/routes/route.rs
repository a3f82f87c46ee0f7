//! Holds the values that a table makes of a request: what it needs, or why it has no route. They are pure,
//! and must not know whether the request is allowed.

use tokenward_common::{
    access::{Permission, listed},
    state::record::RepoKind,
    token::EntityKind,
};

use crate::edge::path::TargetError;

/// Describes what a request needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub access: Access,
    pub dialect: Dialect,
    /// The same request would be open as a pull request, with `create_pr=1`.
    pub offers_pr: bool,
    /// The request creates a repo of this kind.
    pub creates: Option<RepoKind>,
    /// The body isn't shown, and the request is judged by the most that such a body could ask for.
    pub unseen: bool,
}

impl Route {
    /// Makes a route with this access and no other property.
    pub fn new(access: Access, dialect: Dialect) -> Self {
        Self {
            access,
            dialect,
            offers_pr: false,
            creates: None,
            unseen: false,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Access {
    /// Everybody has access, and no credential is checked.
    Open,
    /// Everybody has access, but a credential that is present must be good.
    Visitor,
    /// The caller needs a live token.
    Identity,
    /// The caller needs all of these permissions in one view. The list is never empty.
    Needs(Vec<Need>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    pub on: Thing,
    pub permission: Permission,
}

/// This is a thing as the request names it. Only the decision knows whether the thing exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Thing {
    Repo {
        kind: RepoKind,
        owner: Box<str>,
        name: Box<str>,
    },
    Account(Box<str>),
    /// This is the account of the token's owner.
    Own,
}

impl Thing {
    /// Parses a thing as an operator writes it: `model:owner/name`, `account:name`, `self`.
    pub(in crate::edge) fn parse(text: &str) -> Option<Self> {
        if text == "self" {
            return Some(Self::Own);
        }
        let (kind, name) = text.split_once(':')?;
        if kind == "account" {
            let fine = !name.is_empty() && !name.contains('/');
            return fine.then(|| Self::Account(name.into()));
        }
        let (owner, name) = name.split_once('/')?;
        let fine = !owner.is_empty() && !name.is_empty() && !name.contains('/');
        let kind = match kind {
            "model" => RepoKind::Model,
            "dataset" => RepoKind::Dataset,
            "space" => RepoKind::Space,
            "kernel" => RepoKind::Kernel,
            "bucket" => RepoKind::Bucket,
            "collection" => RepoKind::Collection,
            "endpoint" => RepoKind::Endpoint,
            _ => return None,
        };
        fine.then(|| Self::Repo {
            kind,
            owner: owner.into(),
            name: name.into(),
        })
    }

    /// Returns why this permission would never be allowed on the thing: it has no meaning there.
    pub fn misplaced(&self, permission: Permission) -> Option<String> {
        match self {
            Self::Own if !permission.applies_to(EntityKind::User) => {
                Some(means_nothing(permission))
            }
            Self::Own | Self::Account(_) => permission.misplaced_on_account(),
            Self::Repo { kind, .. } => permission.misplaced_on_repo(*kind),
        }
    }
}

pub(super) fn means_nothing(permission: Permission) -> String {
    let (name, asked_on) = (permission.name(), listed(permission.asked_on()));
    format!("{name} means nothing there; it is asked on {asked_on}")
}

/// This is the kind of client that reads a refusal. Each kind reads another form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Hub,
    Git,
    Lfs,
    Inference,
}

/// Says why a request has no route. The text repeats nothing of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unrouted {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("no rule of the route table fits this method and path")]
    Unknown,
    #[error(
        "the JSON body says what this request asks for, and the proxy hands no bodies to the check: ask \
         at a door that does (Envoy's ext_authz, not nginx's auth_request or Caddy's forward_auth), or \
         let this one send bodies along"
    )]
    NeedsBody,
    #[error(
        "the body says what this request asks for, and it is longer than this verifier reads (--max-body), \
         or than the proxy shows to the check"
    )]
    BodyTooLong,
    #[error(
        "the body says what this request asks for, and must be JSON in UTF-8: with the Content-Type \
         application/json, or application/vnd.git-lfs+json, once, with no parameter but charset=utf-8, and \
         without a Content-Encoding but gzip, once: one member, whole, and nothing after it"
    )]
    BodyEncoded,
    #[error(
        "this route names its model where no door looks: in a form with files, a stream, a number, or nowhere. \
         It is open before a server of one model alone, which the route table says: @model * OWNER/NAME"
    )]
    OneModel,
    #[error(
        "the query must name the model, once: ?model=owner/name, or a name that the route table leads to one"
    )]
    QueryModel,
    #[error(
        "the path must name the model: owner/name, or a name that the route table leads to one, in this very \
         spelling"
    )]
    PathModel,
    #[error("the body: {0}")]
    Body(&'static str),
    #[error("X-HF-Bill-To must be there once, and name an account")]
    BillTo,
}
