use proptest::prelude::*;

use super::*;

fn texts(target: &str) -> Vec<String> {
    let target = Target::parse(target).unwrap();
    let texts = target
        .segments
        .iter()
        .map(|segment| segment.text.to_string());
    texts.collect()
}

#[test]
fn a_path_is_decoded_once() {
    let rows: [(&str, &[&str]); 13] = [
        ("/", &[]),
        ("/api/whoami-v2", &["api", "whoami-v2"]),
        ("/a/b.git/info/refs", &["a", "b.git", "info", "refs"]),
        (
            "/a/b/resolve/refs%2Fpr%2f1/f",
            &["a", "b", "resolve", "refs/pr/1", "f"],
        ),
        ("/a/b%20c%C3%A4", &["a", "b cä"]),
        ("/a/100%25.txt", &["a", "100%.txt"]),
        ("/a/b+c", &["a", "b+c"]),
        ("/a/...", &["a", "..."]),
        ("/a/b%2Dc%2e%7Ed", &["a", "b-c.~d"]),
        ("/a/b%5Cc", &["a", "b\\c"]),
        ("/a/b%2520c", &["a", "b%20c"]),
        ("/a/100%2525%25", &["a", "100%25%"]),
        ("/%61pi/models", &["api", "models"]),
    ];
    for (target, segments) in rows {
        assert_eq!(texts(target), segments, "{target}");
    }
    let slashed = Target::parse("/a/x%2Fy/z").unwrap();
    let flags: Vec<_> = slashed.segments.iter().map(|one| one.has_slash).collect();
    assert_eq!(flags, [false, true, false]);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    use TargetError::*;
    let long = format!("/{}", "a".repeat(MAX_TARGET));
    let deep = "/a".repeat(MAX_SEGMENTS + 1);
    let rows = [
        ("", NotAPath),
        ("*", NotAPath),
        ("http://hub.example/a/b", NotAPath),
        ("hub.example:443", NotAPath),
        ("a/b", NotAPath),
        ("//a/b", Dots),
        ("/a//b", Dots),
        ("/a/b/", Dots),
        ("/a/./b", Dots),
        ("/a/../b", Dots),
        ("/a/..;x=1/b", Dots),
        ("/a/;x/b", Dots),
        ("/a/%2e%2e/b", Dots),
        ("/a/%2E/b", Dots),
        ("/a/.%2e/b", Dots),
        ("/a/%2e%2e;x=1/b", Dots),
        ("/a/..%2Fb", Dots),
        ("/a/b%2F%2Fc", Dots),
        ("/a/%2F", Dots),
        ("/a/b%00c", Control),
        ("/a/b%0d%0ac", Control),
        ("/a/b%7f", Control),
        ("/a\\b", Control),
        ("/a/..%5cb", Dots),
        ("/a/b%5c..%5cc", Dots),
        ("/a/%5cb", Dots),
        ("/a/b%5c%5cc", Dots),
        ("/a/b%5c.%2fc", Dots),
        ("/a/%252e%252e/b", Twice),
        ("/a/100%252525252525", Twice),
        ("/a/%25252e%2525252e/b", Twice),
        ("/a/x%252F..%252Fb", Twice),
        ("/a/x%255C..%255Cb", Twice),
        ("/a/..%252Fb", Twice),
        ("/a/x%252F%252Fb", Twice),
        ("/a/b%2500c", Twice),
        ("/a/b%25250ac", Twice),
        ("/a/x%252f..;y%252fb", Twice),
        ("/a%", Encoding),
        ("/a%2", Encoding),
        ("/a%zz", Encoding),
        ("/a%ff", Encoding),
        ("/a%c0%af", Encoding),
        ("/a b", Character),
        ("/a#b", Character),
        ("/a\u{e4}", Character),
        ("/a\r\nb", Character),
        (&long, TooLong),
        (&deep, TooLong),
    ];
    for (target, error) in rows {
        assert_eq!(Target::parse(target), Err(error), "{target}");
    }
}

/// These are names that files may have, but not the words and other names of a path.
#[test]
fn what_some_read_otherwise_is_doubtful() {
    use TargetError::*;
    for (raw, doubt) in [
        ("b", None),
        ("b%20c", None),
        ("100%25", None),
        ("100%25%20x", None),
        ("x%2Fy", None),
        ("%7Ex", None),
        ("b%2Dc", Some(Needless)),
        ("%41", Some(Needless)),
        ("b%5Cc", Some(Control)),
        ("b%2520c", Some(Twice)),
        ("b%252520c", Some(Twice)),
        ("b%252Fc", Some(Twice)),
        ("b%2541", Some(Twice)),
    ] {
        let target = format!("/a/{raw}");
        let parsed = Target::parse(&target).unwrap();
        assert_eq!(parsed.segments[1].doubt, doubt, "{raw}");
        // A parameter can't have a doubt.
        let target = format!("/a?x={raw}");
        let parameter = Target::parse(&target).unwrap().parameter("x").err();
        assert_eq!(parameter, doubt, "{raw}");
    }
}

#[test]
fn a_parameter_that_is_asked_for_must_be_there_once() {
    let target = Target::parse("/a?create_pr=1&x=%zz&y=a+b%2Fc&x=2&write").unwrap();
    assert_eq!(target.parameter("create_pr"), Ok(Some("1".into())));
    assert_eq!(target.parameter("write"), Ok(Some("".into())));
    assert_eq!(target.parameter("none"), Ok(None));
    assert_eq!(target.parameter("y"), Ok(Some("a b/c".into())));
    assert_eq!(target.parameter("x"), Err(TargetError::Parameter));
    for other in [
        "Write",
        "write[]=1",
        "write[x]",
        "WRITE=1",
        "+write",
        "write.x=1",
        "[write]=1",
        "write=1&[Write]=0",
        "%5Bwrite%5D[]",
        // Some programs also divide a query at semicolons.
        "x;write",
        "x;write=1",
        "x=1;write=0",
        "x=1;y;Write=0",
        "write;x",
        "write=1;x=2",
        "x;write=0&write=1",
        "x=1;%77rite=2",
    ] {
        let target = format!("/a?{other}");
        let asked = Target::parse(&target).unwrap().parameter("write");
        assert_eq!(asked, Err(TargetError::Parameter), "{other}");
    }
    // PHP turns some characters into `_`.
    for other in [
        "create.pr=1",
        "create%20pr=1",
        "create+pr=1",
        "create[pr=1",
        "create%5Bpr",
        "Create.PR[]=1",
        "+create.pr+[x=1",
        "x;create.pr=1",
        "create.pr=1&create_pr=1",
    ] {
        let target = format!("/a?{other}");
        let asked = Target::parse(&target).unwrap().parameter("create_pr");
        assert_eq!(asked, Err(TargetError::Parameter), "{other}");
    }
    for another in [
        "create-pr=1",
        "create_prs=1",
        "create=1",
        "createpr=1",
        "create_p",
    ] {
        let target = format!("/a?{another}");
        let asked = Target::parse(&target).unwrap().parameter("create_pr");
        assert_eq!(asked, Ok(None), "{another}");
    }
    // A key can't hide behind its encoding.
    assert_eq!(
        Target::parse("/a?create%5Fpr=1"),
        Err(TargetError::Needless)
    );
    for many in ["x&", "&", "=&"] {
        let many = |count| format!("/a?{}create_pr=1", many.repeat(count));
        let most = many(MAX_PARAMETERS - 1);
        let asked = Target::parse(&most).unwrap().parameter("create_pr");
        assert_eq!(asked, Ok(Some("1".into())));
        assert_eq!(
            Target::parse(&many(MAX_PARAMETERS)),
            Err(TargetError::TooLong)
        );
    }
}

/// Encodes a text as a careful client does.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let one = |b: u8| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

proptest! {
    #[test]
    fn what_is_encoded_once_is_decoded_to_itself(
        segments in prop::collection::vec("[a-z.]{0,3}[a-zA-Z0-9 ~!$&'()+,=:@\u{e4}\u{4e00}-]{1,8}", 1..8),
    ) {
        let path: Vec<_> = segments.iter().map(|text| encoded(text)).collect();
        let target = format!("/{}", path.join("/"));
        let parsed = Target::parse(&target).unwrap();
        let texts: Vec<_> = parsed.segments.iter().map(|it| it.text.to_string()).collect();
        prop_assert_eq!(texts, segments);
    }

    #[test]
    fn what_is_taken_has_one_reading(target in "/([a-c./%;?&= 0-9A-F\\\\\u{0}-\u{20}\u{e4}]|%2[EFef5D]|%5[Cc]|%25|2e|5c|%0[0ad]|\\.\\.|//){0,20}") {
        if let Ok(parsed) = Target::parse(&target) {
            for segment in &parsed.segments {
                let text = &*segment.text;
                prop_assert!(!text.contains(['\0', '\r', '\n']), "{}", target);
                for part in text.split(['/', '\\']) {
                    prop_assert!(!matches!(part, "" | "." | ".."), "{}", target);
                }
                // Decoding the text again changes nothing, or the segment has a doubt.
                let again = decoded(text).map(Cow::into_owned);
                let stays = again.as_deref() == Ok(text) || again == Err(TargetError::Encoding);
                prop_assert!(stays || segment.doubt.is_some(), "{}", target);
                // However often the text is decoded, it leads nowhere else.
                let mut bytes = text.as_bytes().to_vec();
                while let Some(again) = decoded_again(&bytes) {
                    bytes = again;
                    let mut parts = bytes.split(|b| b"/\\".contains(b));
                    let away = parts.any(|part| matches!(part, b"" | b"." | b".."));
                    prop_assert!(!away, "{}", target);
                }
            }
        }
    }
}
