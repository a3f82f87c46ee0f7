//! This file decides the JSON of the claims: one strict form, with the members in one fixed order.
//!
//! It refuses unknown, duplicated and missing members, `null`, arrays in place of objects, and numbers
//! in place of strings. It knows the form only; the rules are in `claims`.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
    forward_to_deserialize_any,
    ser::SerializeStruct,
};

use super::claims::{Claims, EntityKind, Role, Scope, Scopes};
use crate::{
    clock::UnixTime,
    id::{AccountId, Serial, TokenId, parse_number},
};

/// Reads claims; `None` unless `json` has our form and keeps the rules of `claims`.
pub(super) fn parse(json: &[u8]) -> Option<Claims> {
    let Object(wire): Object<ClaimsIn<'_>> = serde_json::from_slice(json).ok()?;
    let claims = Claims {
        iss: wire.iss,
        aud: wire.aud,
        sub: AccountId::parse(&wire.sub).ok()?,
        serial: Serial(parse_number(&wire.jti)?),
        tid: TokenId(parse_number(&wire.tid)?),
        name: wire.name,
        iat: UnixTime(wire.iat),
        exp: wire.exp.map(UnixTime),
        role: wire.role.0,
        scopes: wire.scopes.map(Scopes::from),
    };
    claims.check().ok()?;
    Some(claims)
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Claims", 10)?;
        out.serialize_field("iss", &self.iss)?;
        out.serialize_field("aud", &self.aud)?;
        out.serialize_field("sub", &self.sub)?;
        out.serialize_field("jti", &Decimal(self.serial.0))?;
        out.serialize_field("tid", &Decimal(self.tid.0))?;
        out.serialize_field("name", &self.name)?;
        out.serialize_field("iat", &self.iat.0)?;
        if let Some(exp) = self.exp {
            out.serialize_field("exp", &exp.0)?;
        }
        out.serialize_field("role", self.role.word())?;
        if let Some(scopes) = &self.scopes {
            out.serialize_field("scopes", scopes)?;
        }
        out.end()
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Scopes", 3)?;
        out.serialize_field("scoped", &self.scoped)?;
        if !self.global.is_empty() {
            out.serialize_field("global", &self.global)?;
        }
        if self.can_read_gated_repos {
            out.serialize_field("canReadGatedRepos", &true)?;
        }
        out.end()
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Scope", 3)?;
        let entity = EntityOut {
            kind: self.kind.word(),
            id: &self.id,
        };
        out.serialize_field("entity", &entity)?;
        out.serialize_field("permissions", &self.permissions)?;
        if !self.patterns.is_empty() {
            out.serialize_field("patterns", &self.patterns)?;
        }
        out.end()
    }
}

#[derive(Serialize)]
struct EntityOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
}

/// A number as a decimal string, because many JSON readers take numbers as doubles.
struct Decimal(u64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimsIn<'a> {
    iss: Box<str>,
    aud: Box<str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    jti: Cow<'a, str>,
    #[serde(borrow)]
    tid: Cow<'a, str>,
    name: Box<str>,
    iat: u64,
    #[serde(default, deserialize_with = "present")]
    exp: Option<u64>,
    role: Word<Role>,
    #[serde(default, deserialize_with = "present")]
    scopes: Option<Object<ScopesIn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ScopesIn {
    scoped: Vec<Object<ScopeIn>>,
    #[serde(default)]
    global: Vec<Box<str>>,
    #[serde(default)]
    can_read_gated_repos: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeIn {
    entity: Object<EntityIn>,
    permissions: Vec<Box<str>>,
    #[serde(default)]
    patterns: Vec<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityIn {
    #[serde(rename = "type")]
    kind: Word<EntityKind>,
    id: Box<str>,
}

impl From<Object<ScopesIn>> for Scopes {
    fn from(Object(wire): Object<ScopesIn>) -> Self {
        let scope = |Object(scope): Object<ScopeIn>| Scope {
            kind: scope.entity.0.kind.0,
            id: scope.entity.0.id,
            permissions: scope.permissions,
            patterns: scope.patterns,
        };
        Self {
            scoped: wire.scoped.into_iter().map(scope).collect(),
            global: wire.global,
            can_read_gated_repos: wire.can_read_gated_repos,
        }
    }
}

/// Refuses `null`: it isn't absence, but serde's own `Option` takes it for `None`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A JSON object. serde's derived structs would also accept an array of the members' values.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(OnlyMaps(from)).map(Self)
    }
}

struct OnlyMaps<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for OnlyMaps<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// One of a closed list of strings. serde's derived enums would also accept `{"read":null}`.
struct Word<T>(T);

trait FromWord: Sized {
    fn from_word(word: &str) -> Option<Self>;
}

impl FromWord for Role {
    fn from_word(word: &str) -> Option<Self> {
        Role::from_word(word)
    }
}

impl FromWord for EntityKind {
    fn from_word(word: &str) -> Option<Self> {
        EntityKind::from_word(word)
    }
}

impl<'de, T: FromWord> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(WordVisitor(PhantomData))
    }
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: FromWord> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a listed word")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
        T::from_word(word)
            .map(Word)
            .ok_or_else(|| E::custom("not a listed word"))
    }
}
