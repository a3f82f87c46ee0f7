//! One case of the table, played through an issuer and asked of verifiers. Each has a hub of its own
//! in theirs: ids and accounts' names end with a tag.

use prost_types::Timestamp;
use tokenward_common::{
    clock::{Clock as _, SystemClock, UnixTime},
    id::{AccountId, Serial, TokenId},
    state::{
        public::record_to_put,
        record::{Approval, Change, RecordKey},
    },
    token::{Claims, Scopes, SigningKey},
};
use tokenward_proto::v1::{
    self as pb, AccountRef, ApproveOrgTokenRequest, CheckResponse, CreateTokenRequest,
    DenyOrgTokenRequest, Operation, RepoRef, Resource, RevokeAllOrgTokensRequest,
    RevokeOrgTokenRequest, UpdateTokenRequest, WriteRequest, operation::Operation as Op,
    org_token_service_client::OrgTokenServiceClient, resource,
};
use tokenward_tests::house::hub::{op, question};
use tonic::{Code, Request, Status};

use crate::{
    site::Site,
    table::{
        HUB,
        forge::forge,
        hub::{Deed, Hub, Said},
        row::{Caller, Row, Token},
        words::{KINDS, named},
    },
};

/// Most operations of one write.
const BATCH: usize = 100;

pub(super) struct Stage<'a> {
    site: &'a Site,
    hub: Hub,
    /// Not yet written.
    changes: Vec<Change>,
    id: String,
    /// The token's, oldest first; none of anonymous callers.
    values: Vec<String>,
    /// Of the last commit.
    revision: String,
}

impl<'a> Stage<'a> {
    /// What every verifier answers; or what the issuer says that won't make such a token.
    pub(super) async fn play(
        site: &'a Site,
        key: &SigningKey,
        tag: &str,
        row: &Row<'_>,
    ) -> Result<Vec<CheckResponse>, Status> {
        let (hub, changes) = Hub::read(HUB, tag);
        let mut stage = Self {
            site,
            hub,
            changes,
            id: String::new(),
            values: Vec::new(),
            revision: String::new(),
        };
        for step in row.steps() {
            match (stage.hub.say(step), &row.caller) {
                (Said::Change(change), _) => stage.changes.push(change),
                (Said::Deed(_), Caller::Anonymous) => {}
                (Said::Deed(deed), Caller::Token(token)) => {
                    stage.write().await;
                    stage.happen(key, token, deed).await?;
                }
            }
        }
        stage.write().await;
        stage.ask(row).await
    }

    async fn write(&mut self) {
        let operations: Vec<_> = self.changes.drain(..).map(operation).collect();
        for batch in operations.chunks(BATCH) {
            let request = WriteRequest {
                request_id: String::new(),
                operations: batch.to_vec(),
            };
            let written = self.site.issuer().operator().write(request).await;
            self.revision = written.expect("written").revision;
        }
    }

    async fn happen(
        &mut self,
        key: &SigningKey,
        token: &Token<'_>,
        deed: Deed,
    ) -> Result<(), Status> {
        let issuer = self.site.issuer();
        self.revision = match deed {
            Deed::Mint => return self.mint(key, token).await,
            Deed::Amend(scopes) => {
                let request = UpdateTokenRequest {
                    token_id: self.id.clone(),
                    scopes: Some(self.scopes(&scopes)),
                    ..UpdateTokenRequest::default()
                };
                issuer.operator().update(request).await?.revision
            }
            Deed::Rotate => {
                let rotated = issuer.operator().rotated(&self.id, 0).await;
                self.values.push(rotated.secret);
                rotated.revision
            }
            Deed::Revoke => issuer.revoke(&self.id).await,
            Deed::RevokeAll => {
                let owner = self.hub.tagged(token.owner);
                issuer.operator().revoke_all_of(&owner).await
            }
            Deed::RevokeAllInOrg(org) => {
                let request = RevokeAllOrgTokensRequest {
                    org_id: org.to_string(),
                    ..RevokeAllOrgTokensRequest::default()
                };
                let mut operator = issuer.operator();
                let answer = operator.orgs.revoke_all_org_tokens(request).await?;
                answer.into_inner().revision
            }
            Deed::Decide(state, org) => match self.decide(state, &org).await {
                Ok(revision) => revision,
                // What was revoked before stays so.
                Err(refused) if refused.code() == Code::FailedPrecondition => {
                    assert!(refused.message().contains("that is final"), "{refused:?}");
                    return Ok(());
                }
                Err(refused) => return Err(refused),
            },
        };
        Ok(())
    }

    async fn mint(&mut self, key: &SigningKey, token: &Token<'_>) -> Result<(), Status> {
        let owner = self.hub.tagged(token.owner);
        let now = SystemClock.unix().seconds();
        if let Some(how) = token.forged {
            let claims = Claims {
                iss: "https://tokens.test".into(),
                aud: self.site.house.realm().into(),
                sub: AccountId::parse(&owner).unwrap(),
                serial: Serial(1),
                tid: TokenId(1),
                name: "case".into(),
                iat: now,
                exp: None,
                role: token.role,
                scopes: token.scopes.as_ref().map(|it| self.hub.scopes(it)),
            };
            self.values.push(forge(how, &claims, key));
            return Ok(());
        }
        let soon = token.expired.then(|| time(UnixTime(now.0 + 2)));
        let request = CreateTokenRequest {
            owner_id: owner,
            name: "case".into(),
            role: i32::try_from(token.role.number()).unwrap(),
            scopes: token.scopes.as_ref().map(|it| self.scopes(it)),
            expire_time: soon,
            ..CreateTokenRequest::default()
        };
        let made = self.site.issuer().operator().create(request).await?;
        self.id = made.token.expect("a token").id;
        self.values.push(made.secret);
        self.revision = made.revision;
        Ok(())
    }

    async fn decide(&self, state: Approval, org: &AccountId) -> Result<String, Status> {
        let bearer = format!("Bearer {}", self.site.house.credential("hub"));
        let bearer: tonic::metadata::AsciiMetadataValue = bearer.parse().unwrap();
        let with_bearer = move |mut call: Request<()>| {
            call.metadata_mut().insert("authorization", bearer.clone());
            Ok(call)
        };
        let channel = self.site.issuer().channel();
        let mut orgs = OrgTokenServiceClient::with_interceptor(channel, with_bearer);
        let (request_id, org_id, token_id) = (String::new(), org.to_string(), self.id.clone());
        let revision = match state {
            Approval::Approved => {
                let request = ApproveOrgTokenRequest {
                    request_id,
                    org_id,
                    token_id,
                    ..ApproveOrgTokenRequest::default()
                };
                orgs.approve_org_token(request).await?.into_inner().revision
            }
            Approval::Denied => {
                let request = DenyOrgTokenRequest {
                    request_id,
                    org_id,
                    token_id,
                    ..DenyOrgTokenRequest::default()
                };
                orgs.deny_org_token(request).await?.into_inner().revision
            }
            Approval::Revoked => {
                let request = RevokeOrgTokenRequest {
                    request_id,
                    org_id,
                    token_id,
                    ..RevokeOrgTokenRequest::default()
                };
                orgs.revoke_org_token(request).await?.into_inner().revision
            }
            Approval::Pending => panic!("nobody decides that"),
        };
        Ok(revision)
    }

    async fn ask(&self, row: &Row<'_>) -> Result<Vec<CheckResponse>, Status> {
        let (kind, name) = row.resource;
        let resource = if kind == "user" || kind == "org" {
            resource::Resource::Account(AccountRef {
                name: self.hub.tagged(name),
                id: String::new(),
            })
        } else {
            let (owner, name) = name.split_once('/').unwrap();
            resource::Resource::Repo(RepoRef {
                kind: i32::try_from(named(&KINDS, kind).number()).unwrap(),
                name: format!("{}/{name}", self.hub.tagged(owner)),
                id: String::new(),
            })
        };
        let resource = Resource {
            resource: Some(resource),
        };
        let value = match &row.caller {
            Caller::Anonymous => "",
            Caller::Token(token) if token.old => &self.values[0],
            Caller::Token(_) => self.values.last().unwrap(),
        };
        let question = question(value, resource, row.permission);
        if matches!(&row.caller, Caller::Token(token) if token.expired) {
            self.site.soon(&question, "TOKEN_EXPIRED").await;
        }
        if row.invalid {
            // What is no question waits for no view.
            let mut answers = Vec::new();
            for verifier in &self.site.verifiers {
                answers.push(verifier.check(&question).await?);
            }
            return Ok(answers);
        }
        Ok(self.site.answers(&question, &self.revision).await)
    }

    fn scopes(&self, scopes: &Scopes) -> pb::Scopes {
        let scopes = self.hub.scopes(scopes);
        let texts = |all: &[Box<str>]| all.iter().map(|it| it.to_string()).collect();
        let scoped = scopes.scoped.iter().map(|scope| pb::Scope {
            entity_kind: i32::try_from(scope.kind.number()).unwrap(),
            entity_id: scope.id.to_string(),
            permissions: texts(&scope.permissions),
            endpoint_patterns: texts(&scope.patterns),
        });
        pb::Scopes {
            scoped: scoped.collect(),
            global: texts(&scopes.global),
            can_read_gated_repos: scopes.can_read_gated_repos,
        }
    }
}

fn time(time: UnixTime) -> Timestamp {
    Timestamp {
        seconds: i64::try_from(time.0).unwrap(),
        nanos: 0,
    }
}

/// As the directory's API takes it.
fn operation(change: Change) -> Operation {
    let key = match change {
        Change::Put(record) => return record_to_put(record).expect("of the directory"),
        Change::Delete(key) | Change::Retire(key) => key,
        Change::Revoke(_) | Change::RaiseFloor(_) => panic!("not of the directory"),
    };
    op(match key {
        RecordKey::User(id) => Op::DeleteUser(id.to_string()),
        RecordKey::Org(id) => Op::DeleteOrg(id.to_string()),
        RecordKey::Repo(id) => Op::DeleteRepo(id.to_string()),
        RecordKey::Group(id) => Op::DeleteGroup(id.to_string()),
        RecordKey::OrgPolicy(id) => Op::DeleteOrgPolicy(id.to_string()),
        RecordKey::Member { org, user } => Op::DeleteMember(pb::MemberKey {
            org_id: org.to_string(),
            user_id: user.to_string(),
        }),
        RecordKey::GroupMember { group, user } => Op::DeleteGroupMember(pb::GroupMemberKey {
            group_id: group.to_string(),
            user_id: user.to_string(),
        }),
        RecordKey::GateGrant { repo, user } => Op::DeleteGateGrant(pb::GateGrantKey {
            repo_id: repo.to_string(),
            user_id: user.to_string(),
        }),
        RecordKey::Amendment(_)
        | RecordKey::OrgTokenView { .. }
        | RecordKey::Floor(_)
        | RecordKey::WithdrawnKey(_)
        | RecordKey::Redirect(_)
        | RecordKey::Retired(_)
        | RecordKey::Departures { .. } => panic!("not of the directory"),
    })
}
