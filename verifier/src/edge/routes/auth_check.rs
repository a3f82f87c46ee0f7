//! Reads `GET /api/{kinds}/{id}/auth-check` and `…/write`, which ask whether this credential may read or
//! write the repo's content. It must not know the route table, which cannot change these routes.

use tokenward_common::{access::Permission, state::record::RepoKind};

use super::{Access, Dialect, Need, Route, Thing};
use crate::edge::path::{Segment, Target};

/// Returns the route of such a request. `None` means that it is for another path, or for one that could be
/// read in two ways. The query does not count.
pub(super) fn route(target: &str, legacy: &str) -> Option<Route> {
    let path = target.split('?').next().unwrap_or_default();
    let target = Target::parse(path).ok()?;
    let odd = |segment: &Segment<'_>| segment.has_slash || segment.doubt.is_some();
    if target.segments.iter().any(odd) {
        return None;
    }
    let texts: Vec<_> = target.segments.iter().map(|it| &*it.text).collect();
    let (owner, name, permission, kinds) = match *texts.as_slice() {
        ["api", kinds, owner, name, "auth-check"] => {
            (owner, name, Permission::RepoContentRead, kinds)
        }
        ["api", kinds, owner, name, "auth-check", "write"] => {
            (owner, name, Permission::RepoContentWrite, kinds)
        }
        ["api", kinds, name, "auth-check"] => (legacy, name, Permission::RepoContentRead, kinds),
        ["api", kinds, name, "auth-check", "write"] => {
            (legacy, name, Permission::RepoContentWrite, kinds)
        }
        _ => return None,
    };
    let kind = match kinds {
        "models" => RepoKind::Model,
        "datasets" => RepoKind::Dataset,
        "spaces" => RepoKind::Space,
        "kernels" => RepoKind::Kernel,
        _ => return None,
    };
    let on = Thing::Repo {
        kind,
        owner: owner.into(),
        name: name.into(),
    };
    let access = Access::Needs(vec![Need { on, permission }]);
    Some(Route::new(access, Dialect::Hub))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_the_repo_and_what_is_asked() {
        let told = |path| {
            let Access::Needs(needs) = route(path, "classics")?.access else {
                return None;
            };
            let Thing::Repo { kind, owner, name } = &needs[0].on else {
                return None;
            };
            let asked = needs[0].permission.name();
            Some(format!("{kind:?} {owner}/{name} {asked}"))
        };
        let rows = [
            ("/api/models/a/b/auth-check", "Model a/b repo.content.read"),
            (
                "/api/datasets/a/b/auth-check/write",
                "Dataset a/b repo.content.write",
            ),
            (
                "/api/spaces/b/auth-check",
                "Space classics/b repo.content.read",
            ),
            (
                "/api/models/b/auth-check/write",
                "Model classics/b repo.content.write",
            ),
        ];
        for (path, expected) in rows {
            assert_eq!(told(path).as_deref(), Some(expected), "{path}");
        }
        for path in [
            "/api/things/a/b/auth-check",
            "/api/models/a/b/auth-check/read",
            "/api/models/a/b/Auth-check",
            "/api/models/a%2Fb/auth-check",
            "/api/models/a/../b/auth-check",
            "/api/models/a/b/auth-check/",
            "/",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }
}
