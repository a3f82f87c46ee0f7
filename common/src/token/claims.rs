//! The claims of a token and their JSON, in the format that is final from version 1 on.
//!
//! Reading is strict: a member that is missing, unknown, repeated or of another type is refused, so
//! that a later version's restriction can't be overlooked.

use serde::{Deserialize, Serialize};

use crate::{
    clock::UnixTime,
    id::{AccountId, Serial, TokenId, parse_number},
};

/// Most scopes in one token.
pub const MAX_SCOPES: usize = 512;
/// Longest display name, in characters.
const MAX_NAME: usize = 100;

macro_rules! worded {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $number:literal $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $word)] $variant = $number),+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As in the messages; `None` for 0 and unknown ones.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub fn number(self) -> u32 {
                self as u32
            }

            /// As in the claims.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

worded!(
    /// What a token may do at most.
    Role {
        /// Only what its scopes list.
        FineGrained = 1 "fineGrained",
        /// All that its owner can read.
        Read = 2 "read",
        /// All that its owner can read and write.
        Write = 3 "write",
    }
);
worded!(
    /// What a scope can be on.
    EntityKind {
        User = 1 "user",
        Org = 2 "org",
        Model = 3 "model",
        Dataset = 4 "dataset",
        Space = 5 "space",
        Bucket = 6 "bucket",
        Kernel = 7 "kernel",
        Collection = 8 "collection",
        ResourceGroup = 9 "resource-group",
        OauthApp = 10 "oauth-app",
        Endpoint = 11 "endpoint",
    }
);

/// Permissions on one entity, named by its id: a rename keeps them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    pub kind: EntityKind,
    pub id: Box<str>,
    /// Unknown names are kept and grant nothing.
    pub permissions: Vec<Box<str>>,
    /// Names of inference endpoints, `*` as wildcard.
    pub patterns: Vec<Box<str>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes {
    pub scoped: Vec<Scope>,
    /// Permissions that belong to no entity.
    pub global: Vec<Box<str>>,
    pub can_read_gated_repos: bool,
}

/// What a token says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The issuer's URL.
    pub iss: Box<str>,
    /// The realm.
    pub aud: Box<str>,
    pub sub: AccountId,
    /// `jti`: one per token value.
    pub serial: Serial,
    /// The serial of the token's first value, kept through rotations.
    pub tid: TokenId,
    /// Its display name when it was minted: 1 to 100 characters.
    pub name: Box<str>,
    pub iat: UnixTime,
    /// Refused at and after this second; absent: lives until revoked.
    pub exp: Option<UnixTime>,
    pub role: Role,
    /// Present exactly when the role is fine-grained.
    pub scopes: Option<Scopes>,
}

/// The claims break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ClaimsError(pub &'static str);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityJson {
    #[serde(rename = "type")]
    kind: EntityKind,
    id: Box<str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeJson {
    entity: EntityJson,
    permissions: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopesJson {
    scoped: Vec<ScopeJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    global: Vec<Box<str>>,
    #[serde(
        rename = "canReadGatedRepos",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    can_read_gated_repos: bool,
}

/// A member that may be absent but, when present, is never null.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The payload, member by member in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimsJson {
    iss: Box<str>,
    aud: Box<str>,
    sub: Box<str>,
    jti: Box<str>,
    tid: Box<str>,
    name: Box<str>,
    iat: u64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    exp: Option<u64>,
    role: Role,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    scopes: Option<ScopesJson>,
}

impl Claims {
    /// The rules that hold of every token, whoever made it.
    pub(super) fn check(&self) -> Result<(), ClaimsError> {
        let rule = |holds: bool, text| if holds { Ok(()) } else { Err(ClaimsError(text)) };
        rule(
            (1..=MAX_NAME).contains(&self.name.chars().count()),
            "name: must be 1 to 100 characters",
        )?;
        rule(
            self.tid.0 <= self.serial.0,
            "tid: must not be later than jti",
        )?;
        rule(
            self.scopes.is_some() == (self.role == Role::FineGrained),
            "scopes: go with the fine-grained role, and with no other",
        )?;
        let scopes = self.scopes.as_ref().map_or(0, |s| s.scoped.len());
        rule(scopes <= MAX_SCOPES, "scopes: must be at most 512")
    }

    #[cfg(any(feature = "mint", test))]
    pub(super) fn to_json(&self) -> ClaimsJson {
        ClaimsJson {
            iss: self.iss.clone(),
            aud: self.aud.clone(),
            sub: self.sub.as_str().into(),
            jti: self.serial.to_string().into(),
            tid: self.tid.to_string().into(),
            name: self.name.clone(),
            iat: self.iat.0,
            exp: self.exp.map(|exp| exp.0),
            role: self.role,
            scopes: self.scopes.as_ref().map(|scopes| ScopesJson {
                scoped: scopes.scoped.iter().map(ScopeJson::of).collect(),
                global: scopes.global.clone(),
                can_read_gated_repos: scopes.can_read_gated_repos,
            }),
        }
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, ClaimsError> {
        let json: ClaimsJson =
            serde_json::from_slice(json).map_err(|_| ClaimsError("not the claims of a token"))?;
        let number = |text: &str| parse_number(text).ok_or(ClaimsError("jti, tid: decimal numbers"));
        let claims = Self {
            iss: json.iss,
            aud: json.aud,
            sub: AccountId::parse(&json.sub).map_err(|_| ClaimsError("sub: an account's id"))?,
            serial: Serial(number(&json.jti)?),
            tid: TokenId(number(&json.tid)?),
            name: json.name,
            iat: UnixTime(json.iat),
            exp: json.exp.map(UnixTime),
            role: json.role,
            scopes: json.scopes.map(|scopes| Scopes {
                scoped: scopes.scoped.into_iter().map(ScopeJson::into).collect(),
                global: scopes.global,
                can_read_gated_repos: scopes.can_read_gated_repos,
            }),
        };
        claims.check()?;
        Ok(claims)
    }
}

impl ScopeJson {
    #[cfg(any(feature = "mint", test))]
    fn of(scope: &Scope) -> Self {
        Self {
            entity: EntityJson {
                kind: scope.kind,
                id: scope.id.clone(),
            },
            permissions: scope.permissions.clone(),
            patterns: scope.patterns.clone(),
        }
    }

    fn into(self) -> Scope {
        Scope {
            kind: self.entity.kind,
            id: self.entity.id,
            permissions: self.permissions,
            patterns: self.patterns,
        }
    }
}
