//! Decides whether new scopes surely give nothing more than the old ones, and take something. Such a change
//! waits behind nothing, and is taken when a store has room for takeaways alone.

use tokenward_common::token::{EntityKind, Scope, Scopes};

/// Tells whether the new scopes only take away. `None` means unreadable, or not of a fine-grained token.
pub(super) fn takes_away(old: Option<Option<Scopes>>, new: Option<Option<Scopes>>) -> bool {
    match (old.flatten(), new.flatten()) {
        (Some(old), Some(new)) => old != new && gives_nothing(&old, &new),
        _ => false,
    }
}

fn gives_nothing(old: &Scopes, new: &Scopes) -> bool {
    within(&new.global, &old.global)
        && (old.can_read_gated_repos || !new.can_read_gated_repos)
        && new.scoped.iter().all(|scope| {
            // No pattern means no restriction, and other patterns may be wider.
            find(old, scope).is_some_and(|was| {
                was.patterns == scope.patterns && within(&scope.permissions, &was.permissions)
            })
        })
        && old.scoped.iter().all(|scope| {
            find(new, scope).is_some() || !stands_over(scope) || !new.scoped.iter().any(is_wide)
        })
}

fn find<'a>(scopes: &'a Scopes, like: &Scope) -> Option<&'a Scope> {
    let mut all = scopes.scoped.iter();
    all.find(|scope| scope.kind == like.kind && scope.id == like.id)
}

fn within(some: &[Box<str>], all: &[Box<str>]) -> bool {
    some.iter().all(|one| all.contains(one))
}

/// Tells whether the scope covers an account or a group, and everything under it.
fn is_wide(scope: &Scope) -> bool {
    matches!(
        scope.kind,
        EntityKind::User | EntityKind::Org | EntityKind::ResourceGroup
    )
}

/// Tells whether the scope replaces a wider one, and may narrow it; without it the wider one counts.
fn stands_over(scope: &Scope) -> bool {
    !matches!(scope.kind, EntityKind::User | EntityKind::Org)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(kind: EntityKind, permissions: &[&str], patterns: &[&str]) -> Scope {
        let boxed = |all: &[&str]| all.iter().map(|it| Box::from(*it)).collect();
        Scope {
            kind,
            id: "x".into(),
            permissions: boxed(permissions),
            patterns: boxed(patterns),
        }
    }

    fn scopes(scoped: &[Scope]) -> Scopes {
        Scopes {
            scoped: scoped.to_vec(),
            ..Scopes::default()
        }
    }

    #[test]
    fn only_what_gives_nothing_takes_away() {
        let org = |permissions: &[&str]| scope(EntityKind::Org, permissions, &[]);
        let model = |permissions: &[&str]| scope(EntityKind::Model, permissions, &[]);
        let both = ["repo.content.read", "repo.write"];
        let read = ["repo.content.read"];
        let endpoint = |patterns: &[&str]| scope(EntityKind::Endpoint, &["x.y"], patterns);
        for (old, new, takes) in [
            (vec![org(&both)], vec![org(&read)], true),
            (vec![org(&read)], vec![org(&both)], false),
            (vec![org(&read)], vec![org(&read)], false),
            (vec![org(&both)], vec![], true),
            (vec![], vec![org(&read)], false),
            // A repo's scope may be there to narrow its org's.
            (vec![org(&both), model(&read)], vec![org(&both)], false),
            (vec![org(&both), model(&read)], vec![model(&read)], true),
            (
                vec![org(&both), model(&both)],
                vec![org(&both), model(&read)],
                true,
            ),
            (vec![model(&read)], vec![], true),
            (vec![org(&read)], vec![model(&read)], false),
            (vec![endpoint(&["a*"])], vec![endpoint(&[])], false),
            (vec![endpoint(&[])], vec![endpoint(&["a*"])], false),
            (vec![endpoint(&["a*"])], vec![], true),
        ] {
            let told = format!("{old:?} {new:?}");
            let (old, new) = (Some(scopes(&old)), Some(scopes(&new)));
            assert_eq!(takes_away(Some(old), Some(new)), takes, "{told}");
        }
        let global = |global: &[&str], gated| Scopes {
            global: global.iter().map(|it| Box::from(*it)).collect(),
            can_read_gated_repos: gated,
            ..Scopes::default()
        };
        for (old, new, takes) in [
            (global(&["a.b"], true), global(&["a.b"], false), true),
            (global(&["a.b"], false), global(&["a.b"], true), false),
            (global(&["a.b"], true), global(&[], true), true),
            (global(&[], true), global(&["a.b"], false), false),
        ] {
            let told = format!("{old:?} {new:?}");
            assert_eq!(
                takes_away(Some(Some(old)), Some(Some(new))),
                takes,
                "{told}"
            );
        }
        // A token without scopes has only its role, which doesn't change.
        let none = || Some(Some(scopes(&[])));
        assert!(!takes_away(Some(None), none()) && !takes_away(none(), Some(None)));
        assert!(!takes_away(None, none()) && !takes_away(none(), None));
    }
}
