//! Measures the state alone: looking up and applying revocations, and building it.

use anyhow::{Result, ensure};
use tokenward_common::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::{
        Entry, State,
        record::{Change, Record},
    },
};

use super::{Counting, Row, cost, hub::Hub, now, own_cpu, since, spread};

/// Serials that were given out; every hundredth is revoked.
const SERIALS: u64 = 100_000_000;

pub fn revocations() -> Result<Vec<Row>> {
    let log = LogId([7; 16]);
    let mut state = State::new(log);
    let mut revision = 0;
    let mut entry = |serial: u64| {
        let cursor = |revision: u64| {
            let mut fingerprint = [0; 16];
            for (to, from) in fingerprint.iter_mut().zip(revision.to_be_bytes()) {
                *to = from;
            }
            Cursor {
                log,
                revision: Revision(revision),
                fingerprint: Fingerprint(fingerprint),
            }
        };
        revision += 1;
        Entry {
            predecessor: if revision == 1 {
                Fingerprint::default()
            } else {
                cursor(revision - 1).fingerprint
            },
            cursor: cursor(revision),
            serial: Serial(SERIALS),
            time: UnixMillis(0),
            changes: vec![Change::Revoke(vec![Serial(serial)])],
        }
    };
    let any = |number: u64| spread(number) % SERIALS + 1;
    // These revocations make the state allocate its memory before it is measured.
    for number in 0..SERIALS / 100 {
        state.apply(&entry(any(number)))?;
    }
    let entries: Vec<_> = (0..1_500_000)
        .map(|number| entry(any(SERIALS + number)))
        .collect();
    let mut next = entries.iter();
    let mut failed = 0;
    let applying = cost(15, 100_000, |_| {
        match next.next().map(|entry| state.apply(entry)) {
            Some(Ok(())) => {}
            _ => failed += 1,
        }
    });
    ensure!(failed == 0, "{failed} entries did not apply");
    // No serial is looked up twice, because a repeated one would be in the cache.
    let mut number = 0;
    let mut another = || {
        number += 1;
        any(number)
    };
    let choosing = cost(300, 5000, |_| another());
    let looking = cost(300, 5000, |_| state.is_revoked(Serial(another())));
    Ok(vec![
        Row::new(
            "revocation look-up, random among 100 M serials",
            "15 ns",
            format!("{:.1} ns", looking.least - choosing.least),
        ),
        Row::new(
            "applying one revocation, an entry each",
            "100 ns",
            applying.to_string(),
        ),
    ])
}

/// Builds the state from records in memory: this is the cost of a cold start without store and network.
pub fn build(allocator: &Counting) -> Result<Vec<Row>> {
    let hub = Hub::of(1_000_000);
    let before = allocator.allocated();
    let mut state = State::new(LogId([7; 16]));
    for number in 0..hub.records() {
        state.load(hub.record(number)?)?;
    }
    ensure!(state.counts() == hub.counts(), "not all was loaded");
    let bytes = allocator.allocated().saturating_sub(before) as u64;
    drop(state);

    let records = (0..hub.records())
        .map(|number| hub.record(number))
        .collect::<Result<Vec<Record>>>()?;
    let (mut best, mut busy) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let records = records.clone();
        let mut state = State::new(LogId([7; 16]));
        let (start, used) = (now(), own_cpu());
        for record in records {
            state.load(record)?;
        }
        let each = 1.0 / hub.records() as f64;
        best = best.min(since(start).as_secs_f64() * each);
        busy = busy.min((own_cpu() - used) * each);
    }
    Ok(vec![
        Row::new(
            "a state from 1 M records in memory",
            "1.5 s for a cold start in all",
            format!("{:.2} s ({:.2} s of CPU)", best * 1e6, busy * 1e6),
        ),
        Row::new(
            "memory of that state, all tables included",
            "",
            format!("{} bytes a record", bytes / hub.records()),
        ),
    ])
}
