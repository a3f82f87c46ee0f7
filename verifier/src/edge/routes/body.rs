//! Reads from a JSON body which thing its request is about. It is pure, and must not know how the body
//! arrived.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use tokenward_common::state::record::RepoKind;

use super::{Scan, Thing, Unrouted};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// No body has been read, but there may be one.
    Absent,
    /// No body will ever be read: the proxy shows the door none, whether there is one or not. This must not
    /// be used for a body that is known to be empty, that could be read, or that arrived unreadable.
    Unseen,
    Whole(&'a [u8]),
    /// The body was scanned while it arrived, as far as that was of use.
    Scanned(&'a Scan),
    /// The body is longer than the door reads, or was cut off by a proxy.
    TooLong,
    /// By its `Content-Type` the body is not JSON in UTF-8, or not all servers decompress it alike. The
    /// server behind would read something else.
    Encoded,
}

impl Body<'_> {
    pub(super) fn fields(self) -> Result<Fields, Unrouted> {
        match self {
            Self::Absent | Self::Unseen => Err(Unrouted::NeedsBody),
            Self::TooLong => Err(Unrouted::BodyTooLong),
            Self::Encoded => Err(Unrouted::BodyEncoded),
            Self::Whole(bytes) => Scan::read(bytes).fields(),
            Self::Scanned(scan) => scan.fields(),
        }
    }
}

/// Holds the fields that routes read. All others belong to the hub.
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
    /// Holds all other fields that the scan keeps. Unless such a field is null, a server takes another
    /// model than `model` names.
    #[serde(flatten)]
    others: BTreeMap<String, Option<IgnoredAny>>,
}

/// Names the repo to which files are to be copied. Other requests may have another thing in a field of this
/// name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Target {
    Repo(TargetRepo),
    Other(IgnoredAny),
}

/// Accepts only the whole object. An unknown field is refused, because it could be a known one in another
/// case. An array is refused too, since serde would take it for the fields in their order.
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
    /// Returns the account in which a repo is to be created.
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

    /// Returns the account to which a repo moves. `None` means that it stays in its own.
    pub(super) fn to(&self) -> Found<Option<Thing>> {
        let (from, _) = pair(self.from_repo.as_deref(), FROM)?;
        let (to, _) = pair(self.to_repo.as_deref(), TO)?;
        let elsewhere = !from.eq_ignore_ascii_case(to);
        Ok(elsewhere.then(|| Thing::Account(to.into())))
    }

    /// Returns the account that gets a copy.
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

    /// Returns the model's name as the caller writes it.
    pub(super) fn model(&self) -> Found<&str> {
        self.model.as_deref().ok_or(MODEL)
    }

    /// Returns the model's name, for a server that would also take an adapter from the body: other weights,
    /// of another repo.
    pub(super) fn model_alone(&self) -> Found<&str> {
        self.alone()?;
        self.model()
    }

    /// Checks that no field of the body leads such a server to another model, wherever the request names
    /// its model.
    pub(super) fn alone(&self) -> Found<()> {
        match self.others.values().any(Option::is_some) {
            false => Ok(()),
            true => Err(OTHERS),
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

pub(super) const NO_OBJECT: Unrouted =
    Unrouted::Body("must be a JSON object, with text in the fields that say what is asked for");
pub(super) const TOO_DEEP: Unrouted =
    Unrouted::Body("must be nested 127 deep at most, objects and lists counted together");
const FROM: Unrouted = Unrouted::Body("fromRepo: must be owner/name");
const TO: Unrouted = Unrouted::Body("toRepo: must be owner/name");
pub(super) const MODEL: Unrouted =
    Unrouted::Body("model: must be owner/name, or a name that the route table leads to one");
const OTHERS: Unrouted = Unrouted::Body(
    "lora, lora_path, lora_request, lora_name, lora_id, lora_task_id, adapter_id, merged_adapters, models, \
     model_id, deployment_id, user_config, fallbacks, context_window_fallbacks, content_policy_fallbacks, \
     sampling_parameters: must not be there, nor in parameters, extra_body or router_settings_override. These \
     three must be objects, and hold neither model nor one another: by such fields a server takes another \
     model. Call an adapter by a model's name that the route table leads to its repo",
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

#[cfg(test)]
mod tests {
    use super::{super::scan::others, *};

    /// Checks that the scan finds every field of [`Fields`], since a field that it doesn't know would never
    /// arrive here.
    #[test]
    fn every_field_that_is_looked_at_is_found_by_the_scan() {
        let body =
            br#"{"operation":"x","type":"model","name":"x","organization":"x","namespace":"x",
            "fromRepo":"a/b","toRepo":"a/b","model":"a/b","repository":"a/b",
            "target":{"type":"model","name":"a/b"}}"#;
        // There is no `..` here, so that a new field must be added to this list.
        let Fields {
            operation,
            kind,
            name,
            organization,
            namespace,
            from_repo,
            to_repo,
            model,
            repository,
            target,
            others,
        } = Scan::read(body).fields().unwrap();
        let texts = [
            operation,
            kind,
            name,
            organization,
            namespace,
            from_repo,
            to_repo,
            model,
            repository,
        ];
        assert!(texts.iter().all(Option::is_some), "{texts:?}");
        assert!(target.is_some() && others.is_empty());
    }

    #[test]
    fn each_name_of_another_model_is_refused_and_told() {
        let Unrouted::Body(told) = OTHERS else {
            panic!("{OTHERS:?}")
        };
        let alone = |body: String| Scan::read(body.as_bytes()).fields().unwrap().alone();
        let mut seen = 0;
        for name in others() {
            for nest in ["", r#""parameters":{"#, r#""extra_body":{"#] {
                let end = if nest.is_empty() { "" } else { "}" };
                let with =
                    |value: &str| format!(r#"{{"model":"a/b",{nest}"{name}":{value}{end}}}"#);
                assert_eq!(alone(with("1")), Err(OTHERS), "{name} {nest}");
                assert_eq!(alone(with("null")), Ok(()), "{name} {nest}");
            }
            assert!(
                told.split([',', ' ', ':']).any(|word| word == name),
                "{name}"
            );
            seen += 1;
        }
        assert_eq!(seen, 16);
    }
}
