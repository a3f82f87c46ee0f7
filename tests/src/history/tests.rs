//! Good histories have no fault, and each kind of bad one is told with its operations and their times.

use std::time::Duration;

use super::*;

const BOUND: Duration = Duration::from_secs(2);

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn operation(begin: f64, end: f64, what: What, outcome: Outcome) -> Operation {
    Operation {
        begin: at(begin),
        end: at(end),
        what,
        outcome,
        refusal: None,
    }
}

fn mint(begin: f64, end: f64, token: &str) -> Operation {
    let what = What::Mint {
        token: token.into(),
        serial: format!("1{token}"),
        owner: "eve".into(),
    };
    operation(begin, end, what, Outcome::Done)
}

fn take(begin: f64, end: f64, takeaway: Takeaway, outcome: Outcome) -> Operation {
    operation(begin, end, What::Take(takeaway), outcome)
}

fn give(begin: f64, end: f64, outcome: Outcome) -> Operation {
    operation(begin, end, What::Give("member".into()), outcome)
}

fn token(serial: &str) -> Takeaway {
    Takeaway::Token(serial.into())
}

fn floor() -> Takeaway {
    Takeaway::Floor("eve".into())
}

fn member() -> Takeaway {
    Takeaway::Fact("member".into())
}

fn asked(begin: f64, token: &str, at_end: bool, answer: Answer) -> Operation {
    let check = Check {
        verifier: "v1".into(),
        token: token.into(),
        facts: vec!["member".into()],
        at_end,
        answer,
    };
    operation(begin, begin + 0.01, What::Check(check), Outcome::Done)
}

fn check(begin: f64, token: &str, answer: Answer) -> Operation {
    asked(begin, token, false, answer)
}

fn denied() -> Answer {
    Answer::Deny("TOKEN_REVOKED".into())
}

/// Judges a history to which the last Checks are added, as they should be answered at 100 s.
fn faults_with(mut operations: Vec<Operation>, last: &[(&str, Answer)]) -> Vec<String> {
    for (token, answer) in last {
        operations.push(asked(100.0, token, true, answer.clone()));
    }
    History { operations }.judge(BOUND).faults
}

/// Judges a history of token 1, which is allowed or denied at the end.
fn faults(operations: Vec<Operation>, last: Answer) -> Vec<String> {
    let minted = vec![mint(0.0, 0.1, "1")];
    faults_with([minted, operations].concat(), &[("1", last)])
}

const NONE: [String; 0] = [];

#[test]
fn a_check_past_the_bound_must_not_be_allowed() {
    use Outcome::Done;
    let revoked = || take(1.0, 1.5, token("1"), Done);
    let allowed = |begin| check(begin, "1", Answer::Allow);
    // Up to the bound, and while it is under way.
    assert_eq!(faults(vec![revoked(), allowed(3.5)], denied()), NONE);
    let told = faults(vec![revoked(), allowed(3.51)], denied());
    assert_eq!(
        told,
        [
            "a Check of token 1 at v1 (3.510 to 3.520 s) was allowed, 2.010 s after the revocation of \
             token 1 (1.000 to 1.500 s) was acknowledged; the bound is 2 s"
        ]
    );
    for answer in [denied(), Answer::Unavailable] {
        assert_eq!(
            faults(vec![revoked(), check(9.0, "1", answer)], denied()),
            NONE
        );
    }
    // By a floor, which takes what was there before it began.
    let told = faults(vec![take(1.0, 1.5, floor(), Done), allowed(3.6)], denied());
    assert!(
        told[0].contains("after the revocation of all tokens of eve (1.000 to 1.500 s)"),
        "{told:?}"
    );
    // By a fact.
    let told = faults(vec![take(1.0, 1.5, member(), Done), allowed(3.6)], denied());
    assert!(told[0].contains("the end of \"member\""), "{told:?}");
    assert_eq!(told.len(), 1);
}

#[test]
fn what_is_not_known_counts_as_either() {
    use Outcome::{Done, Refused, Unknown};
    for takeaway in [token("1"), floor(), member()] {
        let unknown = || take(1.0, 1.5, takeaway.clone(), Unknown);
        let allowed = check(50.0, "1", Answer::Allow);
        assert_eq!(faults(vec![unknown(), allowed], Answer::Allow), NONE);
        let early = check(1.2, "1", denied());
        assert_eq!(faults(vec![unknown(), early], denied()), NONE);
        // Not before it began.
        let before = faults(vec![unknown(), check(0.5, "1", denied())], denied());
        assert_eq!(before.len(), 1);
        // What was refused did nothing.
        let refused = take(1.0, 1.5, takeaway.clone(), Refused);
        let told = faults(vec![refused, check(50.0, "1", denied())], Answer::Allow);
        assert_eq!(told.len(), 1);
    }
    // A mint that is not known is nobody's token: it need not be asked for.
    let what = What::Mint {
        token: String::new(),
        serial: String::new(),
        owner: "eve".into(),
    };
    let unknown = operation(1.0, 2.0, what, Unknown);
    assert_eq!(faults(vec![unknown], Answer::Allow), NONE);
    // A gift that is not known may come at any time.
    let history = vec![
        give(0.2, 0.3, Unknown),
        take(1.0, 1.5, member(), Done),
        check(50.0, "1", Answer::Allow),
        check(51.0, "1", denied()),
    ];
    assert_eq!(faults(history, denied()), NONE);
}

#[test]
fn nothing_acknowledged_is_missing_at_the_end() {
    use Outcome::Done;
    let revoked = || take(99.0, 99.5, token("1"), Done);
    let told = faults(vec![revoked()], Answer::Allow);
    assert_eq!(
        told,
        [
            "the last Check of token 1 at v1 (100.000 to 100.010 s) was allowed, though the revocation of \
             token 1 (99.000 to 99.500 s) was acknowledged"
        ]
    );
    assert_eq!(faults(vec![revoked()], denied()), NONE);
    let told = faults(Vec::new(), Answer::Deny("OWNER_UNKNOWN".into()));
    assert_eq!(
        told,
        [
            "the last Check of token 1 at v1 (100.000 to 100.010 s) was denied (OWNER_UNKNOWN), and \
             nothing took what the mint of token 1 for eve (0.000 to 0.100 s) gave"
        ]
    );
    let told = faults(Vec::new(), Answer::Unavailable);
    assert_eq!(
        told,
        ["the last Check of token 1 at v1 (100.000 to 100.010 s) had no answer"]
    );
    // A fact that was given back is there at once for the last views.
    let given = vec![take(1.0, 1.5, member(), Done), give(99.0, 99.9, Done)];
    assert_eq!(faults(given.clone(), Answer::Allow), NONE);
    assert_eq!(faults(given, denied()).len(), 1);
    // Whoever is never asked for proves nothing.
    let more = vec![mint(0.0, 0.1, "1"), mint(0.2, 0.3, "2")];
    let told = faults_with(more, &[("1", Answer::Allow)]);
    assert_eq!(
        told,
        [
            "the mint of token 2 for eve (0.200 to 0.300 s) was acknowledged, and at the end nobody asked v1 \
             for it"
        ]
    );
}

#[test]
fn a_good_token_is_not_denied() {
    use Outcome::Done;
    let told = faults(vec![check(0.5, "1", denied())], Answer::Allow);
    assert_eq!(
        told,
        [
            "a Check of token 1 at v1 (0.500 to 0.510 s) was denied (TOKEN_REVOKED), and nothing took what \
             the mint of token 1 for eve (0.000 to 0.100 s) gave"
        ]
    );
    let unanswered = check(0.5, "1", Answer::Unavailable);
    assert_eq!(faults(vec![unanswered], Answer::Allow), NONE);
    let told = faults(
        vec![check(0.5, "1", Answer::Error("INTERNAL".into()))],
        Answer::Allow,
    );
    assert!(told[0].ends_with("got the error INTERNAL"), "{told:?}");
    // The revocation of another takes nothing.
    let other = vec![take(0.2, 0.3, token("2"), Done), check(0.5, "1", denied())];
    assert_eq!(faults(other, Answer::Allow).len(), 1);
    // A floor spares what was minted after it, and may take what was minted meanwhile.
    let history = |begin, end| {
        let all = vec![
            take(1.0, 1.5, floor(), Done),
            mint(begin, end, "2"),
            check(9.0, "2", denied()),
        ];
        faults_with(all, &[("2", denied())])
    };
    assert_eq!(history(1.6, 1.7).len(), 2);
    assert_eq!(history(1.4, 1.7), NONE);
    let meanwhile = vec![
        take(1.0, 1.5, floor(), Done),
        mint(1.4, 1.7, "2"),
        check(9.0, "2", Answer::Allow),
    ];
    assert_eq!(faults_with(meanwhile, &[("2", Answer::Allow)]), NONE);
    // A fact that is given back may be missing in a view up to the bound.
    let back = |begin, answer| {
        vec![
            take(1.0, 1.5, member(), Done),
            give(5.0, 5.5, Done),
            check(begin, "1", answer),
        ]
    };
    assert_eq!(faults(back(7.4, denied()), Answer::Allow), NONE);
    assert_eq!(faults(back(7.6, denied()), Answer::Allow).len(), 1);
    assert_eq!(faults(back(4.9, Answer::Allow), Answer::Allow).len(), 1);
    assert_eq!(faults(back(5.0, Answer::Allow), Answer::Allow), NONE);
}

#[test]
fn a_good_call_is_not_refused() {
    let refused = Operation {
        refusal: Some("there is no token 1".into()),
        ..take(1.0, 1.5, token("1"), Outcome::Refused)
    };
    let told = faults(vec![refused], Answer::Allow);
    assert_eq!(
        told,
        ["the revocation of token 1 (1.000 to 1.500 s) was refused: there is no token 1"]
    );
}

#[test]
fn no_serial_is_used_twice() {
    let mut twice = vec![mint(1.0, 1.5, "1"), mint(2.0, 2.5, "2")];
    for operation in &mut twice {
        if let What::Mint { serial, .. } = &mut operation.what {
            *serial = "7".into();
        }
    }
    let told = faults_with(twice, &[("1", Answer::Allow), ("2", Answer::Allow)]);
    assert_eq!(
        told,
        [
            "the mint of token 1 for eve (1.000 to 1.500 s) and the mint of token 2 for eve (2.000 to \
             2.500 s) got one serial, 7"
        ]
    );
}

#[test]
fn what_was_judged_is_counted() {
    let history = History {
        operations: vec![
            mint(0.0, 0.1, "1"),
            take(1.0, 1.5, token("1"), Outcome::Done),
            take(1.0, 1.5, floor(), Outcome::Unknown),
            take(1.0, 1.5, floor(), Outcome::Refused),
            check(0.5, "1", Answer::Allow),
            check(9.0, "1", denied()),
            check(9.0, "1", Answer::Unavailable),
            asked(99.0, "1", true, denied()),
        ],
    };
    let judged = history.judge(BOUND);
    assert_eq!(judged.faults, NONE);
    let counts = Counts {
        mints: 1,
        takeaways: 1,
        unknown: 1,
        refused: 1,
        allowed: 1,
        denied: 2,
        unavailable: 1,
        past_the_bound: 3,
        last: 1,
    };
    assert_eq!(judged.counts, counts);
}
