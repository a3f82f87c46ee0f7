//! Finds the present target of a request that uses a repo's old name, or its name in another case. It is
//! pure and decides nothing: the decider decides who may learn the present name.

use crate::{
    decide::Present,
    edge::{
        path::Target,
        routes::{Access, Route, Routed, Thing},
    },
};

/// A repo's owner or name begins within this many segments of a path. The deepest is
/// `/api/resolve-cache/models/owner/name`.
const DEEPEST: usize = 4;

/// Holds the name that a request used, and the present name of the same thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Moved {
    pub(super) from: Thing,
    pub(super) to: Present,
}

impl Moved {
    /// Returns the same target with the present name in it, and every other byte unchanged. A request there
    /// must need exactly the same of the same repo. `None` means that no reading of the target does, or
    /// that the name is in the body.
    pub(super) fn location(&self, routed: &Routed<'_>) -> Option<Box<str>> {
        let wanted = self.there(routed.route.as_ref().ok()?)?;
        let leads = |target: &String| routed.again(target).as_ref() == Some(&wanted);
        let found = self
            .candidates(&routed.target()?)?
            .into_iter()
            .find(leads)?;
        Some(routed.as_seen(&found))
    }

    fn there(&self, asked: &Route) -> Option<Route> {
        let Thing::Repo { kind, .. } = &self.from else {
            return None;
        };
        let mut route = asked.clone();
        let Access::Needs(needs) = &mut route.access else {
            return None;
        };
        for need in needs.iter_mut().filter(|need| need.on == self.from) {
            need.on = Thing::Repo {
                kind: *kind,
                owner: self.to.owner.clone(),
                name: self.to.name.clone(),
            };
        }
        Some(route)
    }

    /// Returns one candidate for each position where the name may be, with or without its owner.
    fn candidates(&self, target: &str) -> Option<Vec<String>> {
        let Thing::Repo { owner, name, .. } = &self.from else {
            return None;
        };
        let parsed = Target::parse(target).ok()?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let raw: Vec<_> = path.strip_prefix('/')?.split('/').collect();
        let text = |at: usize| parsed.segments.get(at).map(|segment| &*segment.text);
        // Returns the text after the name: nothing, or `.git`.
        let named = |at: usize| {
            let rest = text(at)?.strip_prefix(&**name)?;
            matches!(rest, "" | ".git").then_some(rest)
        };
        let with = |at: usize, taken: usize, git: &str| {
            let (before, after) = (raw.get(..at)?, raw.get(at + taken..)?);
            let present = format!("{}/{}{git}", self.to.owner, self.to.name);
            let present = [present.as_str()];
            let parts = before.iter().chain(&present).chain(after);
            let path: String = parts.flat_map(|part| ["/", part]).collect();
            Some(match query {
                Some(query) => format!("{path}?{query}"),
                None => path,
            })
        };
        let mut all = Vec::new();
        for at in 0..DEEPEST {
            if text(at) == Some(owner)
                && let Some(git) = named(at + 1)
            {
                all.extend(with(at, 2, git));
            }
            if let Some(git) = named(at) {
                all.extend(with(at, 1, git));
            }
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use tokenward_common::state::record::RepoKind;

    use super::*;
    use crate::edge::routes::{Body, Request, Table};

    /// Returns the location of `acme/old`, whose present name is `initech/New.1`.
    fn location(text: &str, row: &str, kind: RepoKind) -> Option<String> {
        let table = Table::parse(text).unwrap();
        let (method, target) = row.split_once(' ').unwrap();
        let request = Request {
            method,
            target,
            body: Body::Absent,
            bill_to: &[],
        };
        let moved = Moved {
            from: Thing::Repo {
                kind,
                owner: "acme".into(),
                name: "old".into(),
            },
            to: Present {
                owner: "initech".into(),
                name: "New.1".into(),
            },
        };
        let routed = table.route(request).complete(Body::Absent);
        assert!(routed.route.is_ok(), "{row}");
        Some(moved.location(&routed)?.into())
    }

    #[test]
    fn a_target_gets_the_present_name_and_keeps_its_bytes() {
        use RepoKind::{Dataset, Model, Space};
        for (row, kind, expected) in [
            (
                "GET /acme/old/resolve/refs%2Fpr%2f1/a%20b+c?download=true&x=%C3%a4",
                Model,
                "/initech/New.1/resolve/refs%2Fpr%2f1/a%20b+c?download=true&x=%C3%a4",
            ),
            (
                "GET /acme/old.git/info/refs?service=git-upload-pack",
                Model,
                "/initech/New.1.git/info/refs?service=git-upload-pack",
            ),
            (
                "POST /datasets/acme/old/git-upload-pack",
                Dataset,
                "/datasets/initech/New.1/git-upload-pack",
            ),
            (
                "GET /api/models/acme/old",
                Model,
                "/api/models/initech/New.1",
            ),
            (
                "GET /api/spaces/acme/old/revision/main?",
                Space,
                "/api/spaces/initech/New.1/revision/main?",
            ),
            (
                "GET /api/resolve-cache/models/acme/old/main/acme/old/x",
                Model,
                "/api/resolve-cache/models/initech/New.1/main/acme/old/x",
            ),
            // The file's path contains the name once more.
            (
                "GET /acme/old/resolve/main/acme/old",
                Model,
                "/initech/New.1/resolve/main/acme/old",
            ),
            (
                "POST /api/models/acme/old/commit/main?create_pr=1",
                Model,
                "/api/models/initech/New.1/commit/main?create_pr=1",
            ),
        ] {
            let found = location("@include hub", row, kind);
            assert_eq!(found.as_deref(), Some(expected), "{row}");
        }
        // These repos have no owner in their path, and belong to acme.
        for (row, expected) in [
            ("GET /old/resolve/main/x", "/initech/New.1/resolve/main/x"),
            ("GET /api/models/old", "/api/models/initech/New.1"),
        ] {
            let found = location("@legacy acme\n@include hub", row, RepoKind::Model);
            assert_eq!(found.as_deref(), Some(expected), "{row}");
        }
    }

    #[test]
    fn what_would_ask_for_something_else_leads_nowhere() {
        // The path does not contain the old name where the request names its repo.
        let other = location(
            "@include hub",
            "GET /acme/other/resolve/main/x",
            RepoKind::Model,
        );
        assert_eq!(other, None);
        let kind = location(
            "@include hub",
            "GET /datasets/acme/old/resolve/main/x",
            RepoKind::Model,
        );
        assert_eq!(kind, None);
    }
}
