//! Tokens with false signatures take a bounded part of a worker's time, and no good caller's.

use std::time::Duration;

use tokenward_common::clock::{BootTime, Clock as _};

use super::*;
use crate::{
    serve::Peer,
    strangers::{Asker, charge},
};

const SPENT: Duration = Duration::from_millis(100);

fn peer(port: u16) -> Peer {
    Peer::at(([127, 0, 0, 1], port).into())
}

/// A token of this realm's shape and key id, whose signature is another token's.
fn false_token(number: u64) -> String {
    let (one, other) = (
        token("ada", number, Role::Write),
        token("ada", number + 1, Role::Write),
    );
    let (signed, _) = one.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{signed}.{signature}")
}

/// As if checks that failed had taken all of the worker's budget, on behalf of one peer.
fn spend(hub: &Hub, of: &Peer) {
    let counts = hub.metrics.worker(0);
    let now = hub.clock.boot();
    let began = BootTime(now.0 - SPENT.as_nanos() as u64);
    charge(Asker::of_peer(&counts, of), began, now);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_told_to_wait_and_nobody_else_is() {
    let hub = Hub::followed(Guards::ALL).await;
    hub.clock.advance(SECOND);
    hub.fresh().await;
    let (flooder, neighbour) = (peer(1), peer(2));
    let counts = hub.metrics.worker(0);
    let ask = |token: &str, of: &Peer| {
        let question = ask(token, "own", READ);
        let asker = Asker::of_peer(&counts, of);
        let decided = hub.decider.decide(&question, hub.clock.boot(), asker);
        decided.map(|decision| decision.verdict.is_ok())
    };
    let (known, new) = (token("ada", 7, Role::Write), token("ada", 8, Role::Write));
    assert_eq!(ask(&known, &flooder), Ok(true));
    assert_eq!(ask(&false_token(20), &flooder), Ok(false));
    spend(&hub, &flooder);
    // What is known is answered; what is new is not looked at, whether it is good or not.
    assert_eq!(ask(&known, &flooder), Ok(true));
    assert_eq!(ask(&new, &flooder), Err(Undecided::Crowded));
    assert_eq!(ask(&false_token(22), &flooder), Err(Undecided::Crowded));
    // A neighbour that sent nothing false is not concerned.
    assert_eq!(ask(&new, &neighbour), Ok(true));
    // A second later the flooder's new tokens are looked at again.
    hub.clock.advance(SECOND);
    hub.fresh().await;
    let newer = token("ada", 9, Role::Write);
    assert_eq!(ask(&newer, &flooder), Ok(true));
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_a_flood_takes_what_it_likes() {
    let hub = Hub::followed(Guards {
        strangers: false,
        ..Guards::ALL
    })
    .await;
    hub.clock.advance(SECOND);
    hub.fresh().await;
    let flooder = peer(1);
    spend(&hub, &flooder);
    let counts = hub.metrics.worker(0);
    let asker = Asker::of_peer(&counts, &flooder);
    let token = false_token(30);
    let question = ask(&token, "own", READ);
    let decided = hub.decider.decide(&question, hub.clock.boot(), asker);
    assert!(decided.unwrap().verdict.is_err());
}
