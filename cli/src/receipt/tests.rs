use super::*;

fn one(name: &str, state: ReceiptState, heard: u64) -> VerifierReceipt {
    VerifierReceipt {
        name: name.into(),
        state: state.into(),
        lag: None,
        last_heard: Some(to_proto(Duration::from_millis(heard))),
    }
}

fn receipt(counts: [u32; 3], complete: bool, verifiers: Vec<VerifierReceipt>) -> Receipt {
    let [applied, silent, pending] = counts;
    Receipt {
        complete,
        applied,
        silent,
        pending,
        slowest: (applied > 0).then(|| to_proto(Duration::from_micros(4_200))),
        verifiers,
    }
}

#[test]
fn all_of_them() {
    let done = receipt([3, 0, 0], true, Vec::new());
    assert_eq!(
        sentence(&done, "refused by"),
        "refused by 3 of 3 verifiers, slowest 4 ms"
    );
    let done = receipt([1, 0, 0], true, Vec::new());
    assert_eq!(
        sentence(&done, "known to"),
        "known to 1 of 1 verifier, slowest 4 ms"
    );
}

#[test]
fn not_all_of_them() {
    let late = vec![one("gpu-2", ReceiptState::Pending, 7_000)];
    assert_eq!(
        sentence(&receipt([2, 0, 1], false, late), "refused by"),
        "refused by 2 of 3 verifiers so far; 1 (gpu-2, last heard 7 s ago) may still answer by \
         an older view"
    );
    let silent = vec![one("a", ReceiptState::Silent, 9_000)];
    assert_eq!(
        sentence(&receipt([1, 1, 0], true, silent.clone()), "refused by"),
        "refused by 1 of 2 verifiers, slowest 4 ms; 1 (a, last heard 9 s ago) fell silent for \
         longer than its bound and can't answer"
    );
    // No verifier has reported that it refuses the token.
    let none = sentence(&receipt([0, 1, 0], false, silent), "refused by");
    assert!(
        none.starts_with("refused by 0 of 1 verifier so far; 1 (a"),
        "{none}"
    );
}

#[test]
fn nobody_is_never_everybody() {
    let nobody = sentence(&Receipt::default(), "refused by");
    assert!(
        nobody.contains("no verifier is known to this issuer"),
        "{nobody}"
    );
    assert!(!nobody.contains("0 of 0"), "{nobody}");
    let output = Output::new(true);
    let exit = answer(
        &output,
        String::new(),
        json!({}),
        Some(&Receipt::default()),
        "refused by",
    );
    assert_eq!(exit.unwrap(), Exit::Incomplete);
    let exit = answer(&output, String::new(), json!({}), None, "refused by");
    assert_eq!(exit.unwrap(), Exit::Ok);
}

#[test]
fn spans_are_short() {
    for (microseconds, text) in [
        (900, "under 1 ms"),
        (4_200, "4 ms"),
        (1_000_000, "1 s"),
        (7_390_000, "7.3 s"),
        (12_900_000, "12 s"),
    ] {
        assert_eq!(short(Duration::from_micros(microseconds)), text);
    }
}

#[test]
fn names_are_bounded() {
    let many = (0..9).map(|n| one(&format!("v{n}"), ReceiptState::Pending, 20));
    let text = sentence(&receipt([0, 0, 9], false, many.collect()), "refused by");
    assert!(
        text.contains("9 (v0, last heard 20 ms ago; v1")
            && text.contains("; and 4 more) may still"),
        "{text}"
    );
}

#[test]
fn json_has_the_api_names() {
    let value = json(&receipt(
        [1, 0, 1],
        false,
        vec![one("a", ReceiptState::Pending, 1_500)],
    ));
    assert_eq!(value["complete"], false);
    assert_eq!(value["slowest_seconds"], 0.0042);
    assert_eq!(value["verifiers"][0]["state"], "pending");
    assert_eq!(value["verifiers"][0]["last_heard_seconds"], 1.5);
    assert_eq!(value["verifiers"][0]["lag_seconds"], Value::Null);
}

#[test]
fn waits_are_bounded() {
    assert_eq!(parse_wait("60s"), Ok(LONGEST));
    for bad in ["0s", "61s", "1042"] {
        assert!(parse_wait(bad).is_err(), "{bad}");
    }
    assert!(parse_wait("1042").unwrap_err().contains("before --wait"));
}
