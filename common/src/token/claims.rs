//! This file decides what a token's claims are, and the rules that hold for them wherever a token is
//! made or read.
//!
//! It knows neither the JSON (`wire`) nor what a permission allows (`access`).

use crate::{
    clock::UnixTime,
    closed::closed_list,
    id::{AccountId, MAX_ID, MAX_NUMBER, Serial, TokenId},
};

/// The longest display name, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// The most scopes in one token.
pub const MAX_SCOPES: usize = 512;
/// The longest name of a permission, in bytes.
pub const MAX_PERMISSION: usize = 64;
/// The longest endpoint pattern, in characters.
pub const MAX_PATTERN_CHARS: usize = 256;

closed_list!(
    /// What a token may do at most.
    Role {
        /// The token may do only what its scopes list.
        FineGrained = 1, "fineGrained";
        /// The token may do everything that its owner can read, calls to inference included.
        Read = 2, "read";
        /// The token may do everything that its owner can read and write, except what needs a
        /// fine-grained token.
        Write = 3, "write";
    }
);
closed_list!(
    /// The kind of entity that a scope is on.
    EntityKind {
        /// A user, and everything in the user's namespace.
        User = 1, "user";
        /// An org, and everything that it owns.
        Org = 2, "org";
        /// A git repo with a model.
        Model = 3, "model";
        /// A git repo with a dataset.
        Dataset = 4, "dataset";
        /// A git repo with an app that the hub runs.
        Space = 5, "space";
        /// A bucket of files, which is not a git repo.
        Bucket = 6, "bucket";
        /// A git repo with a compute kernel.
        Kernel = 7, "kernel";
        /// A collection: a list of things of the hub, which holds no content.
        Collection = 8, "collection";
        /// A resource group of an org, and the repos that lie in it.
        ResourceGroup = 9, "resource-group";
        /// An OAuth app. No permission has a meaning on an OAuth app, so a scope on it grants nothing.
        OauthApp = 10, "oauth-app";
        /// An inference endpoint. Scopes on its owner can also select endpoints by patterns.
        Endpoint = 11, "endpoint";
    }
);

/// The permissions on one entity and everything under it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Scope {
    /// The kind of the entity. Kind and id together name it.
    pub kind: EntityKind,
    /// The entity's id, never its name.
    pub id: Box<str>,
    /// The names of the permissions. Unknown names are kept and grant nothing.
    pub permissions: Vec<Box<str>>,
    /// Name patterns of inference endpoints, with `*` as wildcard; an empty list restricts no name.
    pub patterns: Vec<Box<str>>,
}

/// All that a fine-grained token may do. Each decision limits it to the owner's rights.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes {
    /// At most [`MAX_SCOPES`] scopes; two on the same entity add up.
    pub scoped: Vec<Scope>,
    /// Permissions that belong to no entity.
    pub global: Vec<Box<str>>,
    /// Whether the token may read the content of public gated repos that granted its owner access.
    pub can_read_gated_repos: bool,
}

/// All claims of a token. They prove nothing by themselves: see [`super::Verified`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The issuer's URL.
    pub iss: Box<str>,
    /// The realm's name.
    pub aud: Box<str>,
    /// The owner's account.
    pub sub: AccountId,
    /// The serial of this value (`jti`).
    pub serial: Serial,
    /// The serial of the token's first value.
    pub tid: TokenId,
    /// The display name at mint; a later rename is an amendment.
    pub name: Box<str>,
    /// When this value was made, by the issuer's clock (`iat`; RFC 7519, section 4.1.6).
    pub iat: UnixTime,
    /// The value is refused at and after this second. With `None` it lives until it is revoked.
    pub exp: Option<UnixTime>,
    /// The role at mint; a later change of the role is an amendment.
    pub role: Role,
    /// The scopes, present exactly when the role is [`Role::FineGrained`].
    pub scopes: Option<Scopes>,
}

/// The rule that claims break. The text names the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// `iss` or `aud` is empty (RFC 7519, sections 4.1.1 and 4.1.3).
    #[error("iss and aud must not be empty")]
    Issuer,
    /// `jti` or `tid` is out of range, or `tid` is greater than `jti`.
    #[error("jti and tid must be 1 to 2^53 - 1, and tid at most jti")]
    Serial,
    /// The display name is empty or too long.
    #[error("name must be 1 to {MAX_NAME_CHARS} characters")]
    Name,
    /// `iat` or `exp` is too large, or `exp` is not after `iat`.
    #[error("iat and exp must be below 2^53, and exp after iat")]
    Time,
    /// A fine-grained token lacks scopes, or a token of another role has them.
    #[error("scopes must be present exactly when the role is fineGrained")]
    Role,
    /// There are more than [`MAX_SCOPES`] scopes; global permissions don't count.
    #[error("at most {MAX_SCOPES} scopes")]
    TooManyScopes,
    /// A scope's entity has an invalid id.
    #[error("an entity's id must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    EntityId,
    /// A permission's name is not in its form. Unknown names in the right form are allowed.
    #[error("a permission must be 1 to {MAX_PERMISSION} characters of A-Z a-z 0-9 . _ -")]
    Permission,
    /// An endpoint pattern is empty, too long, or holds a control character.
    #[error("a pattern must be 1 to {MAX_PATTERN_CHARS} characters, none a control character")]
    Pattern,
}

impl Claims {
    /// Checks the rules that the types don't carry. Minting and verifying both call it.
    pub fn check(&self) -> Result<(), ClaimsError> {
        if self.iss.is_empty() || self.aud.is_empty() {
            return Err(ClaimsError::Issuer);
        }
        let numbers = 1..MAX_NUMBER;
        if !numbers.contains(&self.serial.0)
            || !numbers.contains(&self.tid.0)
            || self.tid.0 > self.serial.0
        {
            return Err(ClaimsError::Serial);
        }
        if !(1..=MAX_NAME_CHARS).contains(&self.name.chars().count()) {
            return Err(ClaimsError::Name);
        }
        if self.iat.0 >= MAX_NUMBER
            || self
                .exp
                .is_some_and(|exp| exp.0 >= MAX_NUMBER || exp <= self.iat)
        {
            return Err(ClaimsError::Time);
        }
        match (&self.scopes, self.role) {
            (Some(scopes), Role::FineGrained) => scopes.check(),
            (None, Role::Read | Role::Write) => Ok(()),
            (Some(_), _) | (None, Role::FineGrained) => Err(ClaimsError::Role),
        }
    }
}

impl Scopes {
    /// Checks the rules of [`Claims::check`] for the scopes alone (an amendment has scopes too).
    pub fn check(&self) -> Result<(), ClaimsError> {
        if self.scoped.len() > MAX_SCOPES {
            return Err(ClaimsError::TooManyScopes);
        }
        self.scoped.iter().try_for_each(Scope::check)?;
        check_permissions(&self.global)
    }
}

impl Scope {
    fn check(&self) -> Result<(), ClaimsError> {
        // The ids of all kinds of entities have one form.
        if !is_plain(&self.id, MAX_ID) {
            return Err(ClaimsError::EntityId);
        }
        check_permissions(&self.permissions)?;
        let good = |pattern: &str| {
            (1..=MAX_PATTERN_CHARS).contains(&pattern.chars().count())
                && !pattern.chars().any(char::is_control)
        };
        if self.patterns.iter().all(|pattern| good(pattern)) {
            Ok(())
        } else {
            Err(ClaimsError::Pattern)
        }
    }
}

fn check_permissions(permissions: &[Box<str>]) -> Result<(), ClaimsError> {
    let good = |name: &str| is_plain(name, MAX_PERMISSION);
    if permissions.iter().all(|name| good(name)) {
        Ok(())
    } else {
        Err(ClaimsError::Permission)
    }
}

fn is_plain(text: &str, longest: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_those_of_the_protocol() {
        use tokenward_proto::v1;
        for role in Role::ALL {
            assert_eq!(Role::from_number(role.number()), Some(*role));
            assert_eq!(Role::from_word(role.word()), Some(*role));
        }
        for kind in EntityKind::ALL {
            assert_eq!(EntityKind::from_number(kind.number()), Some(*kind));
            assert_eq!(EntityKind::from_word(kind.word()), Some(*kind));
            let theirs = v1::EntityKind::try_from(i32::try_from(kind.number()).unwrap()).unwrap();
            let word = kind.word().to_uppercase().replace('-', "_");
            assert_eq!(theirs.as_str_name(), format!("ENTITY_KIND_{word}"));
        }
        assert_eq!(EntityKind::ALL.len(), 11);
        assert_eq!(v1::Role::FineGrained as u32, Role::FineGrained.number());
        assert_eq!(v1::Role::Read as u32, Role::Read.number());
        assert_eq!(v1::Role::Write as u32, Role::Write.number());
        assert_eq!(Role::from_number(0), None);
        assert_eq!(Role::from_number(4), None);
        assert_eq!(EntityKind::from_number(0), None);
        assert_eq!(EntityKind::from_number(12), None);
        assert_eq!(Role::from_word("Read"), None);
    }
}
