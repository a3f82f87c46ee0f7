//! What a JSON body says of the thing that its request asks for. Pure.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use tokenward_common::state::record::RepoKind;

use super::{Thing, Unrouted};

/// Of a body that routes look at. git-lfs names 100 objects in one, about 10 KiB.
pub const MAX_BODY: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Not at hand: there may be one.
    Absent,
    /// Nor will it ever be: the proxy shows the door none, whether there is one or not. Never for a body
    /// that is known to be empty, that could be read, or that came and can't be.
    Unseen,
    Whole(&'a [u8]),
    /// Longer than [`MAX_BODY`], or cut off by a proxy.
    TooLong,
}

impl<'a> Body<'a> {
    pub fn whole(bytes: &'a [u8]) -> Self {
        if bytes.len() > MAX_BODY {
            return Self::TooLong;
        }
        Self::Whole(bytes)
    }

    pub(super) fn fields(self) -> Result<Fields, Unrouted> {
        match self {
            Self::Absent | Self::Unseen => Err(Unrouted::NeedsBody),
            Self::TooLong => Err(Unrouted::BodyTooLong),
            // An array would pass for the fields in their order.
            Self::Whole(bytes) if !bytes.trim_ascii_start().starts_with(b"{") => Err(NO_OBJECT),
            // One field twice is an error: each program would take another.
            Self::Whole(bytes) => {
                let spelled: Spelled = serde_json::from_slice(bytes).map_err(|_| NO_OBJECT)?;
                if !spelled.exactly {
                    return Err(SPELLING);
                }
                serde_json::from_slice(bytes).map_err(|_| NO_OBJECT)
            }
        }
    }
}

/// Names of the fields that routes look at.
const FIELDS: [&str; 12] = [
    "operation",
    "type",
    "name",
    "organization",
    "namespace",
    "fromRepo",
    "toRepo",
    "model",
    "repository",
    "target",
    "lora",
    "lora_path",
];

/// Whether no field stands in another case: some programs take it for the same (Go's `encoding/json`
/// does, and the last one counts).
struct Spelled {
    exactly: bool,
}

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = bool;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
                let mut exactly = true;
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    let known = |field: &&str| folded(field) == folded(&name);
                    let field = FIELDS.iter().find(|field| known(field));
                    exactly &= field.is_none_or(|field| *field == name);
                }
                Ok(exactly)
            }
        }
        let exactly = deserializer.deserialize_map(Names)?;
        Ok(Self { exactly })
    }
}

/// There and back: the long s and the Kelvin sign are letters of the alphabet in another case, too.
fn folded(name: &str) -> String {
    name.to_lowercase().to_uppercase()
}

/// The fields that routes look at; all others are the hub's.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields {
    pub(super) operation: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    organization: Option<String>,
    namespace: Option<String>,
    from_repo: Option<String>,
    to_repo: Option<String>,
    model: Option<String>,
    repository: Option<String>,
    target: Option<Target>,
    lora: Option<IgnoredAny>,
    #[serde(rename = "lora_path")]
    lora_path: Option<IgnoredAny>,
}

/// Where files are to be copied to. Other requests may have another thing of this name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Target {
    Repo(TargetRepo),
    Other(IgnoredAny),
}

/// Whole: what is beside it could be one of both in another case. Never of an array, which would pass
/// for the fields in their order.
#[derive(Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct TargetRepo {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

impl<'de> Deserialize<'de> for TargetRepo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = TargetRepo;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TargetRepo, A::Error> {
                TargetRepo::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

type Found<T> = Result<T, Unrouted>;

impl Fields {
    /// Where a repo is to be made.
    pub(super) fn organization(&self) -> Found<Thing> {
        let (owner, _) = self.owner_and_name()?;
        Ok(owner.map_or(Thing::Own, |owner| Thing::Account(owner.into())))
    }

    pub(super) fn namespace(&self) -> Thing {
        let namespace = self.namespace.as_deref();
        namespace.map_or(Thing::Own, |name| Thing::Account(name.into()))
    }

    pub(super) fn repo(&self) -> Found<Thing> {
        let (owner, name) = self.owner_and_name()?;
        let owner = owner.ok_or(Unrouted::Body("organization: must name the repo's owner"))?;
        Ok(Thing::Repo {
            kind: self.kind()?,
            owner: owner.into(),
            name: name.into(),
        })
    }

    pub(super) fn from(&self) -> Found<Thing> {
        let (owner, name) = pair(self.from_repo.as_deref(), FROM)?;
        Ok(Thing::Repo {
            kind: self.kind()?,
            owner: owner.into(),
            name: name.into(),
        })
    }

    /// The account that a repo moves to; `None`: it stays in its own.
    pub(super) fn to(&self) -> Found<Option<Thing>> {
        let (from, _) = pair(self.from_repo.as_deref(), FROM)?;
        let (to, _) = pair(self.to_repo.as_deref(), TO)?;
        let elsewhere = !from.eq_ignore_ascii_case(to);
        Ok(elsewhere.then(|| Thing::Account(to.into())))
    }

    /// The account that gets a copy.
    pub(super) fn repository(&self) -> Found<Thing> {
        let (owner, _) = pair(self.repository.as_deref(), REPOSITORY)?;
        Ok(Thing::Account(owner.into()))
    }

    pub(super) fn target(&self) -> Found<Thing> {
        let Some(Target::Repo(target)) = &self.target else {
            return Err(TARGET);
        };
        let (owner, name) = pair(Some(&target.name), TARGET)?;
        Ok(Thing::Repo {
            kind: kind_named(Some(&target.kind))?,
            owner: owner.into(),
            name: name.into(),
        })
    }

    /// As the caller calls it.
    pub(super) fn model(&self) -> Found<&str> {
        self.model.as_deref().ok_or(MODEL)
    }

    /// The same, of a server that would take an adapter beside it: other weights, of another repo.
    pub(super) fn model_alone(&self) -> Found<&str> {
        match (&self.lora, &self.lora_path) {
            (None, None) => self.model(),
            _ => Err(ADAPTER),
        }
    }

    pub(super) fn kind(&self) -> Found<RepoKind> {
        kind_named(self.kind.as_deref())
    }

    fn owner_and_name(&self) -> Found<(Option<&str>, &str)> {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or(Unrouted::Body("name: required"))?;
        match (self.organization.as_deref(), name.split_once('/')) {
            (owner, None) => Ok((owner, name)),
            (None, Some(_)) => pair(Some(name), NAME).map(|(owner, name)| (Some(owner), name)),
            (Some(_), Some(_)) => Err(Unrouted::Body(
                "name: must not name an owner beside organization",
            )),
        }
    }
}

const SPELLING: Unrouted =
    Unrouted::Body("a field that says what is asked for must be spelled as the hub spells it");
const NO_OBJECT: Unrouted = Unrouted::Body("must be a JSON object with each field once, as text");
const FROM: Unrouted = Unrouted::Body("fromRepo: must be owner/name");
const TO: Unrouted = Unrouted::Body("toRepo: must be owner/name");
pub(super) const MODEL: Unrouted =
    Unrouted::Body("model: must be owner/name, or a name that the route table leads to one");
const ADAPTER: Unrouted = Unrouted::Body(
    "lora, lora_path: must not be there: call an adapter by a model's name that the route table leads to \
     its repo",
);
const REPOSITORY: Unrouted = Unrouted::Body("repository: must be owner/name");
const TARGET: Unrouted = Unrouted::Body("target: must be an object of type and name, owner/name");
const NAME: Unrouted = Unrouted::Body("name: must be a name, or owner/name");

fn kind_named(kind: Option<&str>) -> Found<RepoKind> {
    match kind {
        None | Some("model") => Ok(RepoKind::Model),
        Some("dataset") => Ok(RepoKind::Dataset),
        Some("space") => Ok(RepoKind::Space),
        Some("kernel") => Ok(RepoKind::Kernel),
        Some("bucket") => Ok(RepoKind::Bucket),
        Some(_) => Err(Unrouted::Body(
            "type: must be model, dataset, space, kernel or bucket",
        )),
    }
}

pub(super) fn pair(text: Option<&str>, otherwise: Unrouted) -> Found<(&str, &str)> {
    text.and_then(|text| text.split_once('/'))
        .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'))
        .ok_or(otherwise)
}
