//! Tests calls that send little, half a body or nothing, and the calls that must come in beside them.

use std::{convert::Infallible, future};

use axum::body::Bytes;
use futures_util::{FutureExt as _, stream};
use tokio::task::JoinHandle;

use super::{
    inside::{AT_ONCE, EACH, IN_A_ROW, NETWORKS, nanos},
    *,
};

const LONGEST: usize = 1000;
const SMALL: usize = 100;

fn address(last: u16) -> IpAddr {
    let [high, low] = last.to_be_bytes();
    IpAddr::from([127, 0, high, low])
}

fn second(at: u64) -> BootTime {
    BootTime(at * nanos(EACH))
}

/// Sends so many bytes, and then nothing more for ever.
fn half_sent(bytes: usize) -> Body {
    let begun = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes]))]);
    Body::from_stream(begun.chain(stream::once(future::pending())))
}

fn gate() -> Arc<Gate> {
    Gate::new(Sizes {
        small: SMALL,
        longest: LONGEST,
    })
}

/// Starts reading each call's body, of which so many bytes arrive.
async fn begun(visits: Vec<Visit>, bytes: usize) -> Vec<JoinHandle<Result<Vec<u8>, Closed>>> {
    let mut tasks = Vec::new();
    for mut visit in visits {
        tasks.push(tokio::spawn(
            async move { visit.read(half_sent(bytes)).await },
        ));
        tokio::task::yield_now().await;
    }
    tasks
}

async fn all_end(tasks: Vec<JoinHandle<Result<Vec<u8>, Closed>>>) {
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _ = task.await;
    }
}

async fn comes_through(gate: &Arc<Gate>, from: IpAddr, bytes: usize) -> Result<(), Closed> {
    let mut visit = gate.enter(from, second(0))?;
    let whole = visit.read(Body::from(vec![b'x'; bytes])).await?;
    assert_eq!(whole.len(), bytes);
    visit.turn().await.map(drop)
}

#[tokio::test]
async fn half_sent_bodies_keep_nobody_else_out() {
    for bytes in [SMALL / 2, SMALL + 1, LONGEST / AT_ONCE] {
        let gate = gate();
        let mut visits = Vec::new();
        // Ten addresses send as many calls as each may.
        for at in 0..10 {
            for _ in 0..AT_ONCE {
                visits.push(gate.enter(address(at), second(0)).unwrap());
            }
            assert!(matches!(
                gate.enter(address(at), second(0)),
                Err(Closed::Often)
            ));
        }
        let tasks = begun(visits, bytes).await;
        for at in 100..110 {
            assert_eq!(comes_through(&gate, address(at), SMALL).await, Ok(()));
            // The call that has been sending for longest makes room for a large one.
            assert_eq!(comes_through(&gate, address(at), LONGEST).await, Ok(()));
        }
        all_end(tasks).await;
        // Everything was given back.
        assert_eq!(gate.inside().held(), (0, 0, 0));
        assert_eq!(gate.whole.available_permits(), WHOLE);
        assert!(gate.enter(address(0), second(0)).is_ok());
    }
}

#[tokio::test]
async fn who_sends_slowly_makes_room_longest_first() {
    let gate = gate();
    let mut tasks = Vec::new();
    for at in 0..READ_AT_ONCE {
        let from = address(u16::try_from(at).unwrap());
        let visit = gate.enter(from, second(0)).unwrap();
        tasks.extend(begun(vec![visit], 1).await);
    }
    let mut came = Vec::new();
    for (number, at) in (1000..1003).enumerate() {
        came.push(gate.enter(address(at), second(0)).unwrap());
        let first = tasks.remove(0);
        assert_eq!(first.await.unwrap(), Err(Closed::Full), "{number}");
        assert!(!tasks[0].is_finished());
    }
    all_end(tasks).await;
    // Large bodies make room in the same order.
    let mut tasks = Vec::new();
    for at in 0..BODIES {
        let from = address(u16::try_from(at).unwrap());
        let visit = gate.enter(from, second(0)).unwrap();
        tasks.extend(begun(vec![visit], LONGEST).await);
    }
    assert_eq!(comes_through(&gate, address(77), SMALL + 1).await, Ok(()));
    assert_eq!(tasks.remove(0).await.unwrap(), Err(Closed::Full));
    assert!(tasks.iter().all(|task| !task.is_finished()));
    all_end(tasks).await;
}

#[tokio::test]
async fn one_address_holds_one_body_and_all_hold_a_few() {
    let gate = gate();
    let mut visits = Vec::new();
    for at in 0..BODIES {
        let from = address(u16::try_from(at).unwrap());
        let mut visit = gate.enter(from, second(0)).unwrap();
        visit.read(Body::from(vec![b'x'; LONGEST])).await.unwrap();
        let mut second = gate.enter(from, second(0)).unwrap();
        assert_eq!(second.read(Body::from("x")).await, Err(Closed::Often));
        visits.push(visit);
    }
    // A call whose body is whole stays, so a large one is refused; a small one has its own place.
    let large = comes_through(&gate, address(99), SMALL + 1).await;
    assert_eq!(large, Err(Closed::Full));
    assert_eq!(comes_through(&gate, address(99), SMALL).await, Ok(()));
    visits.pop();
    assert_eq!(comes_through(&gate, address(99), SMALL + 1).await, Ok(()));
    let long = Body::from(vec![b'x'; LONGEST + 1]);
    let mut visit = gate.enter(address(98), second(0)).unwrap();
    assert_eq!(visit.read(long).await, Err(Closed::Long));
}

#[tokio::test]
async fn large_calls_take_no_turn_of_small_ones() {
    let gate = gate();
    let mut turns = Vec::new();
    for at in 0..BODIES {
        let from = address(u16::try_from(at).unwrap());
        let mut visit = gate.enter(from, second(0)).unwrap();
        visit
            .read(Body::from(vec![b'x'; LONGEST / 2]))
            .await
            .unwrap();
        if let Some(turn) = visit.turn().now_or_never() {
            turns.push((turn.unwrap(), from));
        }
    }
    assert_eq!(turns.len(), LARGE_TURNS);
    assert_eq!(comes_through(&gate, address(99), SMALL).await, Ok(()));
}

#[test]
fn a_site_of_ipv6_is_counted_as_a_whole() {
    let gate = gate();
    let line = |site: u16, at: u16| IpAddr::from([0x2001, 0xdb8, site, at, 0, 0, 0, 1]);
    let mut visits = Vec::new();
    let entered = |visits: &mut Vec<Visit>, site: u16| {
        (0..1000)
            .filter_map(|at| gate.enter(line(site, at), second(0)).ok())
            .map(|visit| visits.push(visit))
            .count()
    };
    assert_eq!(entered(&mut visits, 1), 4 * AT_ONCE);
    assert_eq!(entered(&mut visits, 2), 4 * AT_ONCE);
    visits.clear();
    // A site may send 240 calls in a row, and then 4 per second.
    let taken = |at: u64| {
        let lines = (0..2000).map(|number| gate.enter(line(3, number), second(at)).map(drop));
        lines.filter(Result::is_ok).count()
    };
    assert_eq!((taken(1), taken(1), taken(2)), (240, 0, 4));
    // A site may hold the bytes of two bodies.
    let held = networks(line(4, 0));
    let other = networks(line(4, 1));
    let third = networks(line(4, 2));
    for _ in
        [&held, &other, &third].map(|it| gate.inside().enter(it, second(0), Default::default()))
    {
    }
    let mut inside = gate.inside();
    assert!(inside.charge(&held, LONGEST, LONGEST).is_ok());
    assert!(inside.charge(&other, LONGEST, LONGEST).is_ok());
    assert!(inside.charge(&third, 1, LONGEST).is_err());
}

#[test]
fn an_address_comes_so_often() {
    let gate = gate();
    let taken = |from: IpAddr, at: u64| {
        let visits = (0..IN_A_ROW * 2).map(|_| gate.enter(from, second(at)).map(drop));
        visits.filter(Result::is_ok).count()
    };
    let first = address(1);
    assert_eq!(taken(first, 1), 60);
    assert_eq!(taken(first, 1), 0);
    assert_eq!(taken(address(2), 1), 60);
    assert_eq!(taken(first, 4), 3);
    assert_eq!(taken(first, 1000), 60);
    // The IPv6 form of an IPv4 address counts as that address, and one line of IPv6 counts as one.
    assert_eq!(taken("::ffff:127.0.0.1".parse().unwrap(), 1000), 0);
    assert_eq!(taken("2001:db8::1".parse().unwrap(), 1), 60);
    assert_eq!(taken("2001:db8::2".parse().unwrap(), 1), 0);
    assert_eq!(taken("2001:db8:0:1::2".parse().unwrap(), 1), 60);
}

#[test]
fn addresses_are_remembered_up_to_a_bound() {
    let gate = gate();
    let flooding = address(7);
    for _ in 0..IN_A_ROW {
        drop(gate.enter(flooding, second(1)));
    }
    for at in 0..2 * NETWORKS {
        let from = address(u16::try_from(at + 256).unwrap());
        assert!(gate.enter(from, second(1)).is_ok());
    }
    assert!(gate.inside().remembered() <= NETWORKS);
    // The addresses that have used up most are remembered longest.
    assert!(gate.enter(flooding, second(1)).is_err());
}
