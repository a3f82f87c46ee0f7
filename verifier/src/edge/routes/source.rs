//! Reads the words of a rule's column `needs`, which say which thing the rule asks about. It is pure, and
//! must not know what a request names.

use tokenward_common::state::record::RepoKind;

use super::Thing;

/// Says where a rule finds the thing that it asks about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// This is the path's repo. Its kind comes from the path or from here.
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
    /// This is the body's model, as a model server reads it.
    BodyServed,
    /// This is the model that the path names, as the server calls it.
    PathModel,
    /// This is the model that the path names, for a server that could still take another one from the body.
    PathServed,
    /// This is the model that the query names, as the server calls it.
    QueryModel,
    /// This is the only model of the server, whatever the request names.
    Served,
    /// The rule asks about this thing, whatever the request names.
    Fixed(Thing),
}

const SOURCES: [(&str, Source); 24] = [
    ("repo", Source::Repo(None)),
    ("model", Source::Repo(Some(RepoKind::Model))),
    ("dataset", Source::Repo(Some(RepoKind::Dataset))),
    ("space", Source::Repo(Some(RepoKind::Space))),
    ("kernel", Source::Repo(Some(RepoKind::Kernel))),
    ("bucket", Source::Repo(Some(RepoKind::Bucket))),
    ("collection", Source::Repo(Some(RepoKind::Collection))),
    ("endpoint", Source::Repo(Some(RepoKind::Endpoint))),
    ("account", Source::Account),
    ("self", Source::Own),
    ("billed", Source::Billed),
    ("body.organization", Source::BodyOrganization),
    ("body.namespace", Source::BodyNamespace),
    ("body.repo", Source::BodyRepo),
    ("body.from", Source::BodyFrom),
    ("body.to", Source::BodyTo),
    ("body.repository", Source::BodyRepository),
    ("body.target", Source::BodyTarget),
    ("body.model", Source::BodyModel),
    ("body.served-model", Source::BodyServed),
    ("path.model", Source::PathModel),
    ("path.served-model", Source::PathServed),
    ("query.model", Source::QueryModel),
    ("served", Source::Served),
];

impl Source {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let known = SOURCES.iter().find(|(known, _)| *known == text);
        let known = known.map(|(_, source)| source.clone());
        known.or_else(|| Thing::parse(text).map(Self::Fixed))
    }

    /// Returns the word in the table.
    pub(super) fn name(&self) -> &'static str {
        let known = SOURCES.iter().find(|(_, source)| source == self);
        known.map_or("the same fixed thing", |(name, _)| name)
    }

    /// Returns whether the body must be read to find the thing.
    pub(super) fn is_of_body(&self) -> bool {
        *self == Self::PathServed || self.name().starts_with("body.")
    }

    /// Returns whether the thing is a model as its server names it, and not a path of the hub's.
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
