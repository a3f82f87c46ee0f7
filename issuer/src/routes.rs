//! Puts the gRPC services on their paths, and decides who may call them and how a request's message is read.
//! It must not know what a call is for.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokenward_common::{
    process::{
        SMALL_MESSAGE,
        admission::Peer,
        bodies::{Bounded, Bounds, Room, Shares, Way},
        health::Health,
    },
    replica::Replica,
    store::{
        Feed, Store,
        grpc::{By, FEED_REQUEST, feed_service},
    },
};
use tokenward_proto::{
    internal::feed_service_server::SERVICE_NAME as FEED_SERVICE,
    v1::{
        audit_service_server::{AuditServiceServer, SERVICE_NAME as AUDIT},
        directory_service_server::{DirectoryServiceServer, SERVICE_NAME as DIRECTORY},
        key_service_server::{KeyServiceServer, SERVICE_NAME as KEYS},
        org_token_service_server::{OrgTokenServiceServer, SERVICE_NAME as ORGS},
        token_service_server::{SERVICE_NAME as TOKENS, TokenServiceServer},
    },
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request as Call, Status,
    service::{Routes, interceptor::InterceptedService},
};

use crate::{
    directory::Directory,
    grpc::{AuditGrpc, Authenticator, DirectoryGrpc, KeyGrpc, OrgGrpc, TokenGrpc},
    keys::Keys,
    method::{FOLLOW, Method},
    pace::Pace,
    receipts::Receipts,
    tokens::{ByValue, Tokens},
};

/// The largest request is a batch of 100 operations with display texts of 1 KiB.
const MAX_MESSAGE: usize = 1024 * 1024;
/// The token service's largest request is 1,000 leaked values of 4,096 characters, and their framing.
const MAX_VALUES_MESSAGE: usize = 4 * 1024 * 1024 + 64 * 1024;
/// Only this one of a follower's methods has a lasting stream as its answer.
const SNAPSHOT: &str = "/tokenward.internal.v1.FeedService/Snapshot";
/// An issuer serves these services, apart from health and reflection.
pub(crate) const SERVICES: [&str; 6] = [TOKENS, DIRECTORY, KEYS, ORGS, AUDIT, FEED_SERVICE];

/// Holds what the services are made of.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) replica: Arc<Replica>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) authenticator: Authenticator,
    /// A request's message may take this long to arrive.
    pub(crate) patience: Duration,
}

impl Parts {
    pub(crate) fn tokens(&self) -> Tokens {
        Tokens {
            store: Arc::clone(&self.store),
            replica: Arc::clone(&self.replica),
            keys: Arc::clone(&self.keys),
        }
    }
}

pub(crate) fn routes(
    parts: &Parts,
    by_value: ByValue,
    health: &Health,
    leaving: CancellationToken,
) -> Result<Routes> {
    let Parts {
        store,
        replica,
        receipts,
        pace,
        authenticator,
        ..
    } = parts;
    let tokens = parts.tokens();
    let keys = KeyGrpc {
        authenticator: authenticator.clone(),
        tokens: tokens.clone(),
        receipts: Arc::clone(receipts),
    };
    let orgs = OrgGrpc {
        authenticator: authenticator.clone(),
        tokens: tokens.clone(),
        receipts: Arc::clone(receipts),
    };
    let audit = AuditGrpc {
        authenticator: authenticator.clone(),
        tokens: tokens.clone(),
    };
    let tokens = TokenGrpc {
        authenticator: authenticator.clone(),
        tokens,
        receipts: Arc::clone(receipts),
        by_value,
    };
    let directory = DirectoryGrpc {
        authenticator: authenticator.clone(),
        directory: Directory {
            store: Arc::clone(store),
            replica: Arc::clone(replica),
        },
        pace: Arc::clone(pace),
    };
    // The caller is checked first, by the request's head: a stranger's message is never read.
    let known = {
        let authenticator = authenticator.clone();
        move |call: Call<()>| -> Result<Call<()>, Status> {
            let caller = authenticator.known(&call);
            if caller.is_err() {
                authenticator.answer("any", caller)?;
            }
            Ok(call)
        }
    };
    let authenticator = authenticator.clone();
    let followers = move |mut call: Call<()>| -> Result<Call<()>, Status> {
        let caller = authenticator.caller(&call, FOLLOW)?;
        call.extensions_mut().insert(By(caller.name.into()));
        Ok(call)
    };
    // Each group has room of its own: writers can't take the followers' room, and strangers can't take
    // either.
    let deadline = parts.patience;
    let of_callers = bounds(Room::new(Shares::OF_CALLERS), MAX_MESSAGE, deadline);
    let of_followers = bounds(Room::new(Shares::OF_CALLERS), FEED_REQUEST, deadline);
    let of_anybody = bounds(Room::default(), SMALL_MESSAGE, deadline);
    let feed = feed_service(Arc::clone(store) as Arc<dyn Feed>, leaving);
    let feed = Bounded::new(feed, of_followers, way);
    let feed = InterceptedService::new(feed, followers);
    let tokens = TokenServiceServer::new(tokens).max_decoding_message_size(MAX_VALUES_MESSAGE);
    let of_tokens = Bounds {
        most_bytes: MAX_VALUES_MESSAGE,
        ..of_callers.clone()
    };
    let tokens = Bounded::new(tokens, of_tokens, way);
    let keys = KeyServiceServer::new(keys).max_decoding_message_size(MAX_MESSAGE);
    let keys = Bounded::new(keys, of_callers.clone(), way);
    let orgs = OrgTokenServiceServer::new(orgs).max_decoding_message_size(MAX_MESSAGE);
    let orgs = Bounded::new(orgs, of_callers.clone(), way);
    let audit = AuditServiceServer::new(audit).max_decoding_message_size(MAX_MESSAGE);
    let audit = Bounded::new(audit, of_callers.clone(), way);
    let directory = DirectoryServiceServer::new(directory).max_decoding_message_size(MAX_MESSAGE);
    let directory = Bounded::new(directory, of_callers, way);
    let routes = health.routes(&SERVICES, &of_anybody)?;
    Ok(routes
        .add_service(InterceptedService::new(tokens, known.clone()))
        .add_service(InterceptedService::new(directory, known.clone()))
        .add_service(InterceptedService::new(keys, known.clone()))
        .add_service(InterceptedService::new(orgs, known.clone()))
        .add_service(InterceptedService::new(audit, known))
        .add_service(feed))
}

/// Returns the bounds for reading the calls of operators and followers.
fn bounds(room: Room, most_bytes: usize, deadline: Duration) -> Bounds {
    Bounds {
        room,
        most_bytes,
        weight: 1,
        deadline,
        caller: |extensions| extensions.get::<Peer>()?.address(),
    }
}

fn way(path: &str) -> Way {
    match Method::at(path) {
        Some(method) => method.way(),
        None if path == SNAPSHOT => Way::Follow,
        None => Way::Call,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use tokenward_proto::DESCRIPTORS;

    use super::*;
    use crate::live_calls::lasts;

    /// A lasting stream that is missing from [`lasts`] would outlive its credential.
    #[test]
    fn what_lasts_ends_with_its_credential() {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let mut lasting = 0;
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let name = format!("{}.{}", file.package(), service.name());
                    if !SERVICES.contains(&name.as_str()) {
                        continue;
                    }
                    let path = format!("/{name}/{}", method.name());
                    let way = way(&path);
                    let streams = (method.client_streaming(), method.server_streaming());
                    assert_eq!(way == Way::Stream, streams.0, "{path}");
                    assert_eq!(way == Way::Follow, streams == (false, true), "{path}");
                    if way != Way::Call {
                        assert!(lasts(&path).is_some(), "{path}");
                        lasting += 1;
                    }
                }
            }
        }
        assert_eq!(lasting, 3);
    }
}
