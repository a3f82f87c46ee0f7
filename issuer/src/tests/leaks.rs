//! Tests what a stranger's call writes when others revoke the same leaked values meanwhile.

use std::sync::Mutex;

use async_trait::async_trait;
use tokenward_common::{
    id::TokenId,
    store::{
        CommitError, Committed,
        overlay::{Over, Overlay},
    },
};

use super::*;
use crate::caller::Caller;

/// Before each commit of a call, others revoke the tokens of the next chunk.
struct Overtaken {
    others: Tokens,
    chunks: Mutex<Vec<Vec<TokenId>>>,
}

#[async_trait]
impl Overlay for Overtaken {
    fn under(&self) -> &dyn Store {
        self.others.store.as_ref()
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let chunk = self.chunks.lock().unwrap().pop().unwrap_or_default();
        for token in chunk {
            self.others.revoke(&request(), token).await.unwrap();
        }
        self.under().commit(commit).await
    }
}

#[tokio::test]
async fn a_stranger_who_loses_every_race_writes_one_entry_in_all() {
    let issuer = Issuer::new();
    issuer.commit(vec![user("ada")]).await;
    let stop = issuer.follow();
    let others = issuer.parts(credentials().0).tokens();
    let (mut tokens, mut values) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let new = NewToken {
            owner: AccountRef::Id(account("ada")),
            name: format!("laptop-{number}"),
            role: Role::Read,
            scopes: None,
            expires_at: None,
        };
        let minted = others.create(&request(), new).await.unwrap();
        tokens.push(minted.token.id);
        values.extend(minted.secret);
    }
    // The view stays behind from here on, so that only the store knows of the others' revocations.
    stop.cancel();
    tokio::task::yield_now().await;
    let before = issuer.store.head().await.unwrap().cursor.revision;
    let second = tokens.split_off(15);
    let overtaken = Tokens {
        store: Arc::new(Over(Overtaken {
            others: others.clone(),
            chunks: Mutex::new(vec![second, tokens]),
        })),
        ..others
    };
    let request = Request {
        caller: Caller::anyone(&tokenward_common::process::admission::Peer::UNIX),
        ..request()
    };
    let budget = ByValue::default();
    let done = overtaken.revoke_by_value(&request, values, &budget);
    let done = done.await.unwrap();
    // The others wrote 20 entries. One more proves that all of them are durable.
    assert_eq!(done.cursor.revision.0, before.0 + 21);
    assert_eq!(issuer.store.head().await.unwrap().cursor, done.cursor);
}
