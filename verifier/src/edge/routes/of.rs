//! Of which thing a rule asks: the words of its column `needs`. Pure.

use tokenward_common::state::record::RepoKind;

use super::Thing;

/// Where a rule finds the thing that it asks about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Of {
    /// The path's, its kind from the path or from here.
    Repo(Option<RepoKind>),
    Account,
    Own,
    Billed,
    BodyOrganization,
    BodyNamespace,
    BodyRepo,
    BodyFrom,
    BodyTo,
    BodyRepository,
    BodyTarget,
    BodyModel,
    /// The body's model, as a model server reads it.
    BodyServed,
    /// The model that the path names, as the server calls it.
    PathModel,
    /// The same of a server that takes others by the body all the same.
    PathServed,
    /// The one that the query names, as the server calls it.
    QueryModel,
    /// The only model of the server, whatever the request says.
    Served,
    /// This, whatever the request says.
    Fixed(Thing),
}

const OF: [(&str, Of); 24] = [
    ("repo", Of::Repo(None)),
    ("model", Of::Repo(Some(RepoKind::Model))),
    ("dataset", Of::Repo(Some(RepoKind::Dataset))),
    ("space", Of::Repo(Some(RepoKind::Space))),
    ("kernel", Of::Repo(Some(RepoKind::Kernel))),
    ("bucket", Of::Repo(Some(RepoKind::Bucket))),
    ("collection", Of::Repo(Some(RepoKind::Collection))),
    ("endpoint", Of::Repo(Some(RepoKind::Endpoint))),
    ("account", Of::Account),
    ("self", Of::Own),
    ("billed", Of::Billed),
    ("body.organization", Of::BodyOrganization),
    ("body.namespace", Of::BodyNamespace),
    ("body.repo", Of::BodyRepo),
    ("body.from", Of::BodyFrom),
    ("body.to", Of::BodyTo),
    ("body.repository", Of::BodyRepository),
    ("body.target", Of::BodyTarget),
    ("body.model", Of::BodyModel),
    ("body.served-model", Of::BodyServed),
    ("path.model", Of::PathModel),
    ("path.served-model", Of::PathServed),
    ("query.model", Of::QueryModel),
    ("served", Of::Served),
];

impl Of {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known = OF.iter().find(|(known, _)| *known == text);
        let known = known.map(|(_, of)| of.clone());
        known.or_else(|| Thing::parse(text).map(Self::Fixed))
    }

    /// As a table writes it.
    pub(super) fn name(&self) -> &'static str {
        let known = OF.iter().find(|(_, of)| of == self);
        known.map_or("the same fixed thing", |(name, _)| name)
    }

    /// It takes the body to say.
    pub(super) fn is_of_body(&self) -> bool {
        *self == Self::PathServed || self.name().starts_with("body.")
    }

    /// A model that its server has, which no path of the hub's names.
    pub(super) fn is_of_model(&self) -> bool {
        matches!(
            self,
            Self::BodyModel
                | Self::BodyServed
                | Self::PathModel
                | Self::PathServed
                | Self::QueryModel
                | Self::Served
        )
    }
}
