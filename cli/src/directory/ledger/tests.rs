use super::*;

fn batch(lines: std::ops::RangeInclusive<u64>) -> Batch {
    Batch {
        end: Mark {
            line: *lines.end(),
            offset: *lines.end() * 10,
            ..Mark::default()
        },
        lines: lines.collect(),
        ..Batch::default()
    }
}

fn answer(batch: u64, revision: &str, error: &str) -> ImportResponse {
    ImportResponse {
        batch,
        revision: revision.into(),
        error: error.into(),
        ..ImportResponse::default()
    }
}

fn ledger() -> Ledger {
    Ledger::new(Output::new(true), None, None)
}

#[tokio::test]
async fn answers_are_counted_and_refusals_find_their_lines() {
    let mut ledger = ledger();
    assert_eq!(ledger.sent(&batch(1..=100)), 1);
    assert_eq!(ledger.sent(&batch(101..=200)), 2);
    ledger.answered(answer(1, "ab.7", "")).unwrap();
    ledger
        .answered(answer(2, "", "operations[3].name: is taken"))
        .unwrap();
    ledger.complete().unwrap();
    assert_eq!((ledger.tally.operations, ledger.tally.batches), (100, 1));
    assert_eq!(ledger.tally.revision, "ab.7");
    assert_eq!(ledger.tally.end.line, 200);
    assert_eq!(
        ledger.refused[0].text(),
        "refused lines 101 to 200:\n  line 104: operations[3].name: is taken"
    );
    assert_eq!(ledger.report(false).unwrap_err().exit, Exit::Conflict);
    ledger.mistaken(&batch(201..=201)).unwrap();
    assert_eq!(ledger.report(false).unwrap_err().exit, Exit::Usage);
}

#[tokio::test]
async fn nothing_refused_is_success() {
    let mut ledger = ledger();
    ledger.sent(&batch(1..=3));
    ledger.answered(answer(1, "ab.1", "")).unwrap();
    assert_eq!(ledger.report(false).unwrap(), Exit::Ok);
}

#[tokio::test]
async fn an_unanswered_batch_is_a_failure() {
    let mut ledger = ledger();
    ledger.sent(&batch(1..=3));
    let failure = ledger.complete().unwrap_err();
    assert_eq!(failure.exit, Exit::Unavailable);
    assert!(ledger.answered(answer(2, "ab.1", "")).is_err());
}

#[tokio::test]
async fn lateness_is_the_oldest_batch() {
    let mut ledger = ledger();
    assert!(!ledger.overdue(Duration::ZERO));
    ledger.sent(&batch(1..=3));
    assert!(ledger.overdue(Duration::ZERO));
    assert!(!ledger.overdue(Duration::from_secs(600)));
}

#[tokio::test]
async fn a_mistaken_batch_is_settled_once_all_before_it_is() {
    let mut ledger = ledger();
    ledger.mistaken(&batch(1..=100)).unwrap();
    assert_eq!((ledger.tally.end.line, ledger.tally.refused_here), (100, 1));
    ledger.sent(&batch(101..=200));
    ledger.mistaken(&batch(201..=300)).unwrap();
    ledger.mistaken(&batch(301..=400)).unwrap();
    ledger.sent(&batch(401..=500));
    assert_eq!((ledger.tally.end.line, ledger.tally.refused_here), (100, 1));
    ledger.answered(answer(1, "ab.7", "")).unwrap();
    assert_eq!((ledger.tally.end.line, ledger.tally.refused_here), (400, 3));
    assert!(ledger.complete().is_err());
    ledger.answered(answer(2, "ab.8", "")).unwrap();
    assert_eq!((ledger.tally.end.line, ledger.tally.refused_here), (500, 3));
    ledger.complete().unwrap();
}
