//! Tells the caller that makes a token which of its permissions grant nothing. It refuses nothing, because
//! newer verifiers may know a name that is unknown today. It is pure.

use tokenward_common::{
    access::{Permission, listed, with_article},
    token::EntityKind,
};
use tokenward_proto::v1 as pb;

/// The most warnings in one answer; they are enough to see what went wrong.
const MOST: usize = 20;

pub fn warnings(scopes: Option<&pb::Scopes>) -> Vec<String> {
    let Some(scopes) = scopes else {
        return Vec::new();
    };
    let scoped = scopes.scoped.iter().enumerate();
    let scoped = scoped.flat_map(|(index, scope)| {
        let kind = u32::try_from(scope.entity_kind).ok();
        let kind = kind.and_then(EntityKind::from_number);
        scope.permissions.iter().filter_map(move |name| {
            let why = in_scope(name, kind?)?;
            Some(format!("scopes.scoped[{index}].permissions: {why}"))
        })
    });
    let global = scopes.global.iter().filter_map(|name| {
        let why = in_global(name)?;
        Some(format!("scopes.global: {why}"))
    });
    scoped.chain(global).take(MOST).collect()
}

fn in_scope(name: &str, kind: EntityKind) -> Option<String> {
    let fits = |it: Permission| it.in_scope(kind);
    match Permission::parse(name) {
        None => Some(unknown(name, fits)),
        Some(known) if fits(known) => None,
        Some(known) => Some(format!(
            "{name} grants nothing here{}",
            elsewhere(known, kind)
        )),
    }
}

/// Describes where the permission would grant something.
fn elsewhere(known: Permission, kind: EntityKind) -> String {
    if !known.is_named() {
        return match known.asked_on().next() {
            Some(EntityKind::User) => ": no token may hold it".into(),
            _ => ": it is asked, and never held; it takes seeing the thing".into(),
        };
    }
    if known.scoped_on().next().is_none() {
        return ": it belongs to no entity; make it a global permission".into();
    }
    format!(
        ", on {}: it may be scoped on {}",
        with_article(kind.word()),
        listed(known.scoped_on())
    )
}

fn in_global(name: &str) -> Option<String> {
    match Permission::parse(name) {
        None => Some(unknown(name, Permission::in_global)),
        Some(known) if known.in_global() => None,
        Some(known) if !known.is_named() => {
            Some(format!("{name} grants nothing: no token may hold it"))
        }
        Some(_) => Some(format!(
            "{name} grants nothing here: it takes a scope on an entity"
        )),
    }
}

fn unknown(name: &str, fits: impl Fn(Permission) -> bool) -> String {
    let nearest = Permission::nearest(name, fits).or_else(|| Permission::nearest(name, |_| true));
    match nearest {
        Some(known) => format!(
            "{name} is no permission that is known, and grants nothing; did you mean {}?",
            known.name()
        ),
        None => format!("{name} is no permission that is known, and grants nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(kind: EntityKind, names: &[&str]) -> pb::Scope {
        pb::Scope {
            entity_kind: i32::try_from(kind.number()).unwrap(),
            permissions: names.iter().map(|&name| name.into()).collect(),
            ..pb::Scope::default()
        }
    }

    fn told(scoped: Vec<pb::Scope>, global: &[&str]) -> Vec<String> {
        warnings(Some(&pb::Scopes {
            scoped,
            global: global.iter().map(|&name| name.into()).collect(),
            ..pb::Scopes::default()
        }))
    }

    #[test]
    fn what_grants_something_is_not_warned_of() {
        assert!(warnings(None).is_empty());
        for kind in EntityKind::ALL {
            let fits = Permission::ALL.iter().filter(|it| it.in_scope(*kind));
            let names: Vec<_> = fits.map(|it| it.name()).collect();
            assert!(told(vec![on(*kind, &names)], &[]).is_empty(), "{kind:?}");
        }
        let fits = Permission::ALL.iter().filter(|it| it.in_global());
        let names: Vec<_> = fits.map(|it| it.name()).collect();
        assert!(told(Vec::new(), &names).is_empty());
    }

    #[test]
    fn what_grants_nothing_is_named_with_what_was_meant() {
        let scoped = vec![
            on(
                EntityKind::Model,
                &["repo.read", "repo.write", "world.peace"],
            ),
            on(
                EntityKind::Model,
                &[
                    "inference.serverless.write",
                    "repo.metadata.read",
                    "post.write",
                ],
            ),
            on(EntityKind::User, &["user.tokens.write"]),
        ];
        let global = [
            "discusion.write",
            "post.write",
            "repo.write",
            "user.tokens.write",
        ];
        assert_eq!(
            told(scoped, &global),
            [
                "scopes.scoped[0].permissions: repo.read is no permission that is known, and grants \
                 nothing; did you mean repo.content.read?",
                "scopes.scoped[0].permissions: world.peace is no permission that is known, and \
                 grants nothing",
                "scopes.scoped[1].permissions: inference.serverless.write grants nothing here, on a \
                 model: it may be scoped on user and org",
                "scopes.scoped[1].permissions: repo.metadata.read grants nothing here: it is asked, \
                 and never held; it takes seeing the thing",
                "scopes.scoped[1].permissions: post.write grants nothing here: it belongs to no \
                 entity; make it a global permission",
                "scopes.scoped[2].permissions: user.tokens.write grants nothing here: no token may \
                 hold it",
                "scopes.global: discusion.write is no permission that is known, and grants nothing; \
                 did you mean discussion.write?",
                "scopes.global: repo.write grants nothing here: it takes a scope on an entity",
                "scopes.global: user.tokens.write grants nothing: no token may hold it",
            ]
        );
    }

    #[test]
    fn many_are_told_in_part() {
        let names: Vec<_> = (0..64).map(|number| format!("no.such{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(told(vec![on(EntityKind::Org, &names)], &[]).len(), MOST);
    }
}
