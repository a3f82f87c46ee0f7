//! Formats records as lines of a file for `tokenward directory import`.

use anyhow::{Result, bail};
use prost::Message as _;
use serde_json::{Value, json};
use tokenward_common::state::record::{
    GateMode, GrantState, OrgRole, Record, RepoKind, Visibility,
};
use tokenward_proto::v1::{OrgDisplay, UserDisplay};

/// Returns the line of a record, without a line break.
pub fn line(record: &Record) -> Result<String> {
    Ok(value(record)?.to_string())
}

fn value(record: &Record) -> Result<Value> {
    Ok(match record {
        Record::User(user) => {
            let display = UserDisplay::decode(&*user.display)?;
            json!({"put_user": {
                "id": user.id.as_str(), "name": user.name.as_str(), "disabled": user.disabled,
                "display": {
                    "full_name": display.full_name, "email": display.email, "is_pro": display.is_pro,
                },
            }})
        }
        Record::Org(org) => {
            let display = OrgDisplay::decode(&*org.display)?;
            json!({"put_org": {
                "id": org.id.as_str(), "name": org.name.as_str(),
                "display": {"full_name": display.full_name},
            }})
        }
        Record::Repo(repo) => json!({"put_repo": {
            "id": repo.id.as_str(), "kind": kind(repo.kind), "owner_id": repo.owner.as_str(),
            "name": repo.name.as_str(), "visibility": visibility(repo.visibility),
            "gate": gate(repo.gate), "disabled": repo.disabled,
            "creator_id": repo.creator.as_ref().map_or("", |id| id.as_str()),
        }}),
        Record::Member(member) => json!({"put_member": {
            "org_id": member.org.as_str(), "user_id": member.user.as_str(), "role": role(member.role),
        }}),
        Record::GateGrant(grant) => json!({"put_gate_grant": {
            "repo_id": grant.repo.as_str(), "user_id": grant.user.as_str(), "state": state(grant.state),
        }}),
        _ => bail!("not of a directory"),
    })
}

fn kind(kind: RepoKind) -> &'static str {
    match kind {
        RepoKind::Model => "model",
        RepoKind::Dataset => "dataset",
        RepoKind::Space => "space",
        RepoKind::Bucket => "bucket",
        RepoKind::Kernel => "kernel",
        RepoKind::Collection => "collection",
        RepoKind::Endpoint => "endpoint",
    }
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "private",
        Visibility::Protected => "protected",
        Visibility::Public => "public",
    }
}

fn gate(gate: GateMode) -> &'static str {
    match gate {
        GateMode::Manual => "manual",
        GateMode::Auto => "auto",
        GateMode::None => "none",
    }
}

fn role(role: OrgRole) -> &'static str {
    match role {
        OrgRole::NoAccess => "no_access",
        OrgRole::Read => "read",
        OrgRole::Contributor => "contributor",
        OrgRole::Write => "write",
        OrgRole::Admin => "admin",
    }
}

fn state(state: GrantState) -> &'static str {
    match state {
        GrantState::Pending => "pending",
        GrantState::Accepted => "accepted",
        GrantState::Rejected => "rejected",
    }
}
