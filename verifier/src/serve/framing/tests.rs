use super::*;

/// The number of the first ambiguous request, read at once and byte by byte.
fn first(text: &str) -> Option<u64> {
    let watch = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let first = FirstAmbiguous(Arc::new(AtomicU64::new(u64::MAX)));
        let mut framing = Framing::new(first.clone());
        pieces.for_each(|piece| framing.watch(piece));
        let first = first.0.load(Relaxed);
        (first != u64::MAX).then_some(first)
    };
    let whole = watch(&mut std::iter::once(text.as_bytes()));
    assert_eq!(whole, watch(&mut text.as_bytes().chunks(1)), "{text}");
    whole
}

const TWO: &str = "POST / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length:1\r\n\r\n";

#[test]
fn two_lengths_are_ambiguous_and_one_is_not() {
    let rows = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", None),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            None,
        ),
        (TWO, Some(0)),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Some(0),
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding:chunked\r\nContent-Length:1\r\n\r\n",
            Some(0),
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: a\r\ntransfer-encoding: chunked\r\n\r\n",
            Some(0),
        ),
        ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", Some(0)),
    ];
    for (text, expected) in rows {
        assert_eq!(first(text), expected, "{text}");
    }
}

#[test]
fn requests_are_counted_over_their_bodies() {
    let sized =
        "\r\nPOST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nContent-Length: 1\r\n\r\nGET / HT";
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3;x=y\r\n\r\n\r\r\n10\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n";
    let none = "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    let all = format!("{sized}{chunked}{none}{TWO}");
    assert_eq!(first(&all), Some(3));
    // It is in doubt where the next request begins.
    let wrong = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(first(wrong), Some(1));
}

#[test]
fn lines_end_in_cr_lf_and_targets_have_no_fragment() {
    let long = "x".repeat(2 * KEPT);
    let rows = [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", Some(0)),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", Some(0)),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", Some(0)),
        (&format!("GET /{long}#x HTTP/1.1\r\n\r\n"), Some(0)),
        (&format!("GET /{long} HTTP/1.1\r\nA: #{long}\r\n\r\n"), None),
        (&format!("GET / HTTP/1.1\r\nA: {long}\n\r\n"), Some(0)),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
            Some(1),
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n",
            Some(1),
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n",
            Some(1),
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(first(text), expected, "{text}");
    }
}
