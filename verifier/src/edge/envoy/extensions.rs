//! Reads what the proxy's settings declare for a route: `context_extensions` of `ExtAuthzPerRoute`. It is
//! pure, and must not know the request.
//!
//! | key | value |
//! |---|---|
//! | `resource` | the thing that is asked about, whatever the path: `model:owner/name` (or `dataset`,
//! `space`, `kernel`, `bucket`, `collection`, `endpoint`), `account:name`, or `self`, the account of the
//! token's owner; requires `permission` |
//! | `permission` | the permission that the request needs, such as `repo.content.read`; requires `resource`
//! |
//! | `routes` | `hub` or `inference`: uses that built-in table instead of the verifier's own; excludes the
//! two above |
//! | `strip_credential` | `true`: `Authorization` and `X-Api-Key` are removed from an allowed request; the
//! default is `false` |
//!
//! Unknown keys belong to other programs. A known key with a wrong value closes the route.

use tokenward_common::access::{Permission, PermissionClass};

use crate::edge::routes::{Access, Dialect, Need, Route, Thing};

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Extensions {
    pub(super) asks: Asks,
    pub(super) strip_credential: bool,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Asks {
    /// This route always applies.
    This(Route),
    /// The verifier's own table decides.
    Configured,
    Hub,
    Inference,
}

impl Extensions {
    /// Parses the settings, or returns the key and the rule that it breaks.
    pub(super) fn parse(said: &[(&str, &str)]) -> Result<Self, &'static str> {
        let value = |key| {
            said.iter()
                .find(|(k, _)| *k == key)
                .map(|(_, value)| *value)
        };
        let asks = match (value("resource"), value("permission"), value("routes")) {
            (None, None, None) => Asks::Configured,
            (None, None, Some("hub")) => Asks::Hub,
            (None, None, Some("inference")) => Asks::Inference,
            (None, None, Some(_)) => return Err("routes: must be hub or inference"),
            (Some(resource), Some(permission), None) => Asks::This(route(resource, permission)?),
            (_, _, Some(_)) => return Err("routes: can't be set with resource or permission"),
            (Some(_), None, None) => return Err("permission: required with resource"),
            (None, Some(_), None) => return Err("resource: required with permission"),
        };
        let strip_credential = match value("strip_credential") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err("strip_credential: must be true or false"),
        };
        Ok(Self {
            asks,
            strip_credential,
        })
    }
}

fn route(resource: &str, permission: &str) -> Result<Route, &'static str> {
    let permission = Permission::parse(permission)
        .ok_or("permission: must be a permission that this verifier knows")?;
    let on = Thing::parse(resource)
        .ok_or("resource: must be model:owner/name or of another kind, account:name, or self")?;
    if on.misplaced(permission).is_some() {
        return Err("permission: must be one that is asked on a resource of this kind");
    }
    let dialect = match permission.class() {
        PermissionClass::Infer => Dialect::Inference,
        PermissionClass::Read | PermissionClass::Write => Dialect::Hub,
    };
    let access = Access::Needs(vec![Need { on, permission }]);
    Ok(Route::new(access, dialect))
}

#[cfg(test)]
mod tests {
    use tokenward_common::state::record::RepoKind;

    use super::*;

    #[test]
    fn a_route_asks_for_one_thing_or_by_a_table() {
        let asks = |said: &[_]| Extensions::parse(said).unwrap().asks;
        assert_eq!(asks(&[]), Asks::Configured);
        assert_eq!(asks(&[("virtual_host", "hub")]), Asks::Configured);
        assert_eq!(asks(&[("routes", "inference")]), Asks::Inference);
        assert_eq!(asks(&[("routes", "hub")]), Asks::Hub);
        for (resource, on) in [
            ("self", Thing::Own),
            ("account:acme", Thing::Account("acme".into())),
            (
                "space:acme/x",
                Thing::Repo {
                    kind: RepoKind::Space,
                    owner: "acme".into(),
                    name: "x".into(),
                },
            ),
        ] {
            let said = [("resource", resource), ("permission", "repo.write")];
            let Asks::This(route) = asks(&said) else {
                panic!("{resource}")
            };
            let permission = Permission::RepoWrite;
            assert_eq!(route.access, Access::Needs(vec![Need { on, permission }]));
        }
        assert!(
            Extensions::parse(&[("strip_credential", "true")])
                .unwrap()
                .strip_credential
        );
        assert!(!Extensions::parse(&[]).unwrap().strip_credential);
    }

    #[test]
    fn what_is_half_said_or_wrong_names_its_rule() {
        let read = ("permission", "repo.content.read");
        let rows = [
            (vec![read], "resource: required"),
            (vec![("resource", "self")], "permission: required"),
            (
                vec![("resource", "self"), ("permission", "x")],
                "permission: must",
            ),
            (
                vec![("resource", "self"), ("permission", "org.read")],
                "permission: must be one that is asked",
            ),
            (
                vec![
                    ("resource", "model:acme/x"),
                    ("permission", "inference.serverless.write"),
                ],
                "permission: must be one that is asked",
            ),
            (
                vec![
                    ("resource", "account:acme"),
                    ("permission", "repo.metadata.read"),
                ],
                "permission: must be one that is asked",
            ),
            (vec![("resource", "acme/x"), read], "resource: must"),
            (vec![("resource", "model:acme"), read], "resource: must"),
            (vec![("resource", "model:/x"), read], "resource: must"),
            (vec![("resource", "model:a/b/c"), read], "resource: must"),
            (vec![("resource", "account:"), read], "resource: must"),
            (vec![("routes", "hubs")], "routes: must"),
            (
                vec![("routes", "hub"), ("resource", "self"), read],
                "routes: can't",
            ),
            (vec![("strip_credential", "yes")], "strip_credential: must"),
        ];
        for (said, rule) in rows {
            let told = Extensions::parse(&said).unwrap_err();
            assert!(told.starts_with(rule), "{said:?}: {told}");
        }
    }
}
