//! Presents the permission table to people: what a name may be, which known name is nearest to it, and where
//! each permission can be requested and named. This file must not decide any request.

use super::{
    permissions::{NamedIn, Permission},
    set::PermissionSet,
};
use crate::{state::record::RepoKind, token::EntityKind};

/// Limits the name of a permission, in bytes.
const LONGEST: usize = 64;

/// States the rule that [`is_permission_name`] checks, worded so that it follows the name of a field.
pub const PERMISSION_NAME_RULE: &str =
    "must be dotted names of 1 to 64 characters, such as repo.content.read";

/// Returns whether a scope may hold this name: words of letters, digits and `-`, separated by dots. All code
/// that writes or reads scopes must use this rule; [`Permission::parse`] decides which names are known.
pub fn is_permission_name(text: &str) -> bool {
    let word = |word: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !word.is_empty() && word.bytes().all(fits)
    };
    text.len() <= LONGEST && text.split('.').all(word)
}

/// Lists the kinds that a request may be about; no request is about a resource group.
const ASKED: [EntityKind; 9] = [
    EntityKind::User,
    EntityKind::Org,
    EntityKind::Model,
    EntityKind::Dataset,
    EntityKind::Space,
    EntityKind::Bucket,
    EntityKind::Kernel,
    EntityKind::Collection,
    EntityKind::Endpoint,
];

impl Permission {
    /// Returns what the permission is for, as a sentence.
    pub fn about(self) -> &'static str {
        self.row().about
    }

    /// Returns the kinds of resources on which the permission can be requested.
    pub fn asked_on(self) -> impl Iterator<Item = EntityKind> {
        ASKED.into_iter().filter(move |kind| self.applies_to(*kind))
    }

    /// Returns the kinds of entities on which a scope may have the permission.
    pub fn scoped_on(self) -> impl Iterator<Item = EntityKind> {
        EntityKind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.in_scope(*kind))
    }

    /// Returns the other permissions that imply this one.
    pub fn implied_by(self) -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(move |other| *other != self && PermissionSet::EMPTY.with(*other).contains(self))
    }

    /// Returns whether a fine-grained token can hold the permission.
    pub fn is_named(self) -> bool {
        self.row().named != NamedIn::Never
    }

    /// Returns why the permission doesn't apply to repos of this kind, whether or not such a repo exists.
    pub fn misplaced_on_repo(self, kind: RepoKind) -> Option<String> {
        let kind = EntityKind::of_repo(kind);
        (!self.applies_to(kind)).then(|| self.misplaced(kind.word()))
    }

    /// Returns why the permission doesn't apply to any account. Whether an account is a user or an org is
    /// known only once it is found.
    pub fn misplaced_on_account(self) -> Option<String> {
        let somewhere = [EntityKind::User, EntityKind::Org];
        let fits = somewhere.iter().any(|kind| self.applies_to(*kind));
        (!fits).then(|| self.misplaced("user or org"))
    }

    fn misplaced(self, kind: &str) -> String {
        format!(
            "{} means nothing on {}; it is asked on {}",
            self.name(),
            with_article(kind),
            listed(self.asked_on())
        )
    }

    /// Returns the known permission that this name was most likely meant to be, among those that `fits`
    /// accepts; `None` if no name is similar.
    pub fn nearest(name: &str, fits: impl Fn(Self) -> bool) -> Option<Self> {
        if name.len() > LONGEST {
            return None;
        }
        let asked = words(name);
        // This runs before the caller is authenticated, so an arbitrary name must not cost much.
        if asked.len() > MOST_WORDS {
            return None;
        }
        let all = Self::ALL.iter().copied().filter(|known| fits(*known));
        all.map(|known| (likeness(&asked, &words(known.name())), known))
            .filter(|(distance, _)| *distance <= LIKE)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known)
    }

    /// Returns a hint for a message about an unknown name: `; did you mean …?`, or nothing.
    pub fn hint(name: &str) -> String {
        match Self::nearest(name, |_| true) {
            Some(known) => format!("; did you mean {}?", known.name()),
            None => String::new(),
        }
    }
}

/// Puts the article before a word, as in `a model` and `an org`.
pub fn with_article(word: &str) -> String {
    let article = match word.starts_with(['a', 'e', 'i', 'o']) {
        true => "an",
        false => "a",
    };
    format!("{article} {word}")
}

/// Joins the words of kinds, as in `user, org and model`.
pub fn listed(kinds: impl Iterator<Item = EntityKind>) -> String {
    let words: Vec<_> = kinds.map(EntityKind::word).collect();
    match words.as_slice() {
        [] => "nothing".into(),
        [one] => (*one).into(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Limits the words of a name that is compared; every known name has fewer.
const MOST_WORDS: usize = 6;
/// A word that is missing or extra costs this much.
const GAP: usize = 3;
/// Two words that aren't similar cost this much.
const UNLIKE: usize = 6;
/// Two names are still similar at this total cost, but not above it.
const LIKE: usize = 4;

/// Splits a name into lowercase words: `resourceGroup.write` gives `resource`, `group` and `write`.
fn words(name: &str) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    let mut was_lower = false;
    for byte in name.bytes() {
        let joint = !byte.is_ascii_alphanumeric();
        if joint || (was_lower && byte.is_ascii_uppercase()) {
            words.push(Vec::new());
        }
        if let (false, Some(word)) = (joint, words.last_mut()) {
            word.push(byte.to_ascii_lowercase());
        }
        was_lower = byte.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns how far apart two names are. A missing word costs little, whatever its length: `repo.read` most
/// likely means `repo.content.read`.
fn likeness(asked: &[Vec<u8>], known: &[Vec<u8>]) -> usize {
    // The two names differ only in where their words are separated.
    if asked.iter().flatten().eq(known.iter().flatten()) {
        return 0;
    }
    distance(asked, known, GAP, |one, other| {
        // At least the difference in length must be inserted or removed.
        let longest = one.len().max(other.len());
        if one.len().abs_diff(other.len()) * 2 > longest {
            return UNLIKE;
        }
        let apart = distance(one, other, 1, |a, b| usize::from(a != b));
        if apart * 2 > longest { UNLIKE } else { apart }
    })
}

/// Returns the lowest cost of turning one list into the other: `gap` for each item inserted or removed, and
/// `differ` for an item replaced by another.
fn distance<T>(one: &[T], other: &[T], gap: usize, differ: impl Fn(&T, &T) -> usize) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).map(|at| at * gap).collect();
    for a in one {
        let mut diagonal = row.first().copied().unwrap_or_default();
        let mut left = diagonal + gap;
        let mut next = vec![left];
        for (b, above) in other.iter().zip(row.iter().skip(1)) {
            left = (diagonal + differ(a, b)).min(above + gap).min(left + gap);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_may_stand_in_a_scope() {
        for permission in Permission::ALL {
            assert!(is_permission_name(permission.name()), "{permission:?}");
        }
        assert!(is_permission_name(&"a".repeat(LONGEST)));
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "repo..write",
            "a b",
            "a_b",
            "é.b",
            "a:b",
        ] {
            assert!(!is_permission_name(bad), "{bad}");
        }
        assert!(!is_permission_name(&"a".repeat(LONGEST + 1)));
    }

    #[test]
    fn the_nearest_name_is_found() {
        let nearest = |name: &str| Permission::nearest(name, |_| true).map(Permission::name);
        for (asked, meant) in [
            ("repo.wirte", "repo.write"),
            ("repo.contents.read", "repo.content.read"),
            ("Repo.Write", "repo.write"),
            ("repo_content_read", "repo.content.read"),
            ("resourcegroup.write", "resourceGroup.write"),
            ("resource-group.write", "resourceGroup.write"),
            ("org.serviceaccounts.read", "org.serviceAccounts.read"),
            ("inference.endpoint.write", "inference.endpoints.write"),
            ("inference.serverless", "inference.serverless.write"),
            ("discussions.write", "discussion.write"),
            ("jobs.read", "job.read"),
        ] {
            assert_eq!(nearest(asked), Some(meant), "{asked}");
        }
        for alien in ["", "x", "everything", "write.all.the.things", "..."] {
            assert_eq!(nearest(alien), None, "{alien}");
        }
        assert_eq!(nearest(&"repo.write".repeat(7)), None);
        // This name differs from a known one only in its dots, until it has more words than are compared.
        assert_eq!(nearest("r.e.p.o.write"), Some("repo.write"));
        assert_eq!(nearest("r.e.p.o.w.r.i.te"), None);
        assert_eq!(Permission::hint(&"a.".repeat(LONGEST / 2)), "");
        let scoped = |name| Permission::nearest(name, |it| it.in_scope(EntityKind::Model));
        assert_eq!(scoped("repo.read"), Some(Permission::RepoContentRead));
        assert_eq!(scoped("orgs.write"), None);
        for permission in Permission::ALL {
            assert!(words(permission.name()).len() < MOST_WORDS);
            assert_eq!(nearest(permission.name()), Some(permission.name()));
        }
    }

    #[test]
    fn a_misplaced_question_names_the_places() {
        let serverless = Permission::InferenceServerlessWrite;
        assert_eq!(
            serverless.misplaced_on_repo(RepoKind::Model).unwrap(),
            "inference.serverless.write means nothing on a model; it is asked on user and org"
        );
        assert_eq!(serverless.misplaced_on_account(), None);
        let metadata = Permission::RepoMetadataRead;
        assert!(metadata.misplaced_on_account().is_some());
        let webhooks = Permission::UserWebhooksRead;
        assert_eq!(webhooks.misplaced_on_account(), None);
        for permission in Permission::ALL {
            for kind in RepoKind::ALL {
                let applies = permission.applies_to(EntityKind::of_repo(*kind));
                let misplaced = permission.misplaced_on_repo(*kind);
                assert_eq!(misplaced.is_none(), applies, "{permission:?} {kind:?}");
            }
            assert_ne!(permission.asked_on().count(), 0, "{permission:?}");
        }
    }

    #[test]
    fn every_permission_says_what_it_is_for() {
        for permission in Permission::ALL {
            let about = permission.about();
            assert!(about.ends_with('.') && about.len() > 10, "{permission:?}");
            let twin = Permission::ALL.iter().find(|other| other.about() == about);
            assert_eq!(twin, Some(permission));
        }
        let implied: Vec<_> = Permission::RepoContentRead.implied_by().collect();
        assert_eq!(
            implied,
            [Permission::RepoContentWrite, Permission::RepoWrite]
        );
        assert!(!Permission::UserTokensWrite.is_named());
    }
}
