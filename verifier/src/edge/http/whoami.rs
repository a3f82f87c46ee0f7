//! `GET /api/whoami-v2` reports who owns a token, in the hub's words. The hub's clients need every field
//! that is always there.
//!
//! It is limited like the hub's: an account by all its live tokens together, and each address by requests
//! without a live token. Neither count touches the other, so bad credentials cost nobody else an answer.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tokenward_common::clock::BootTime;
use tokenward_proto::v1 as pb;

use super::{
    door_request::DoorRequest,
    limit::{Limit, Quota},
};
use crate::{
    edge::{
        answer::Answer,
        judge::{Judge, Outcome},
    },
    grpc::whoami::identity,
    serve::Peer,
};

/// The limits' headers use this name.
const RESOURCE: &str = "whoami";

/// Limits how often the door answers in five minutes. A limit of 0 means no limit.
#[derive(Debug)]
pub struct WhoAmILimits {
    owners: Limit,
    peers: Limit,
}

impl WhoAmILimits {
    pub fn new(each_owner: u32, each_peer: u32) -> Self {
        Self {
            owners: Limit::new(each_owner),
            peers: Limit::new(each_peer),
        }
    }
}

pub(super) fn answer(
    judge: &Judge,
    limits: &WhoAmILimits,
    asked: &DoorRequest<'_>,
    now: BootTime,
) -> Answer {
    let (standing, answer) = match judge.who(&asked.credential(), now) {
        Ok(who) => {
            let identity = identity(who);
            let owner = identity.owner.as_ref().map(|owner| owner.id.as_str());
            let standing = limits.owners.take(owner, now);
            if standing.is_some_and(|it| it.refused) {
                (standing, limited(asked, "this account has asked"))
            } else {
                (standing, asked.json(&document(identity)))
            }
        }
        Err(judgement) => {
            let standing = match &judgement.outcome {
                Outcome::Denied { .. } | Outcome::LoginRequired => {
                    limits.peers.take(address(asked.peer), now)
                }
                _ => None,
            };
            if standing.is_some_and(|it| it.refused) {
                let who = "requests without a live token have come from this address";
                (standing, limited(asked, who))
            } else {
                (standing, asked.answered(judge, &judgement))
            }
        }
    };
    with_headers(answer, standing)
}

fn limited(asked: &DoorRequest<'_>, who: &str) -> Answer {
    let told = "more often than it may: wait as Retry-After says, and keep the answer meanwhile";
    asked.plain(429, &format!("{who} for whoami {told}"))
}

fn with_headers(mut answer: Answer, standing: Option<Quota>) -> Answer {
    let headers = standing.map(|it| it.headers(RESOURCE));
    answer.headers.extend(headers.unwrap_or_default());
    answer
}

/// Returns the key of an address. For IPv6 it is the part that one site has, since a site has very many
/// addresses.
fn address(peer: &Peer) -> Option<[u8; 8]> {
    let site = match peer.known_address()?.ip().to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    };
    Some(site.to_be_bytes())
}

fn document(identity: pb::Identity) -> Value {
    let owner = identity.owner.unwrap_or_default();
    let token = identity.token.unwrap_or_default();
    let display = owner.display.unwrap_or_default();
    let orgs: Vec<_> = identity.orgs.into_iter().map(org).collect();
    let mut document = json!({
        "type": "user",
        "id": owner.id,
        "fullname": or(display.full_name, &owner.name),
        "name": owner.name,
        "avatarUrl": display.avatar_url,
        "isPro": display.is_pro,
        "orgs": orgs,
        "auth": auth(&token),
    });
    // The hub shows the email only to tokens without scopes.
    if token.role() != pb::Role::FineGrained && !display.email.is_empty() {
        put(&mut document, "email", display.email.into());
    }
    document
}

fn org(membership: pb::Membership) -> Value {
    let role = word(membership.role().as_str_name(), "ORG_ROLE_");
    let groups = membership.groups.iter().map(|group| {
        json!({
            "id": group.group_id,
            "name": group.name,
            "role": word(group.role().as_str_name(), "GROUP_ROLE_"),
        })
    });
    let groups: Vec<_> = groups.collect();
    let restrictions = membership.restrictions();
    let restrictions = restrictions
        .map(|it| word(it.as_str_name(), "SECURITY_RESTRICTION_").replace('_', "-"))
        .collect::<Vec<_>>();
    let org = membership.org.unwrap_or_default();
    let display = org.display.unwrap_or_default();
    let mut document = json!({
        "type": "org",
        "id": org.id,
        "fullname": or(display.full_name, &org.name),
        "name": org.name,
        "avatarUrl": display.avatar_url,
        "roleInOrg": role,
    });
    if !display.plan.is_empty() {
        put(&mut document, "plan", display.plan.into());
    }
    if !restrictions.is_empty() {
        put(&mut document, "securityRestrictions", restrictions.into());
    }
    if !groups.is_empty() {
        put(&mut document, "resourceGroups", groups.into());
    }
    document
}

fn auth(token: &pb::LiveToken) -> Value {
    let created = token.create_time.map(|time| time.to_string());
    let mut access = json!({
        "displayName": token.name,
        "role": role_word(token.role()),
        "createdAt": created.unwrap_or_default(),
    });
    if let Some(scopes) = &token.scopes {
        put(&mut access, "fineGrained", fine_grained(scopes));
    }
    let mut auth = json!({ "type": "access_token", "accessToken": access });
    if let Some(end) = token.expire_time {
        put(&mut auth, "expiresAt", end.to_string().into());
    }
    auth
}

fn fine_grained(scopes: &pb::Scopes) -> Value {
    let scoped = scopes.scoped.iter().map(|scope| {
        let kind = word(scope.entity_kind().as_str_name(), "ENTITY_KIND_").replace('_', "-");
        let mut document = json!({
            "entity": { "_id": scope.entity_id, "type": kind },
            "permissions": scope.permissions,
        });
        if !scope.endpoint_patterns.is_empty() {
            let patterns = json!({
                "resourceType": "inference-endpoint",
                "wildcardPatterns": scope.endpoint_patterns,
            });
            put(&mut document, "patterns", patterns);
        }
        document
    });
    json!({
        "scoped": scoped.collect::<Vec<_>>(),
        "global": scopes.global,
        "canReadGatedRepos": scopes.can_read_gated_repos,
    })
}

pub(super) fn role_word(role: pb::Role) -> &'static str {
    match role {
        pb::Role::Read => "read",
        pb::Role::Write => "write",
        pb::Role::FineGrained | pb::Role::Unspecified => "fineGrained",
    }
}

fn put(document: &mut Value, name: &str, value: Value) {
    if let Some(fields) = document.as_object_mut() {
        let _: Option<Value> = Map::insert(fields, name.into(), value);
    }
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.into()
    } else {
        text
    }
}

/// Turns the name of an enum value into its word: `ORG_ROLE_NO_ACCESS` becomes `no_access`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_ascii_lowercase()
}
