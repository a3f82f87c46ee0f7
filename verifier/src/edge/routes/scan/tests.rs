use super::*;

const MODEL: &str = r#"{"model":"a/b"}"#;

fn model(scan: &Scan) -> Result<String, Unrouted> {
    let fields = scan.fields()?;
    fields.model().map(Into::into)
}

/// Reads a text whole, and in pieces of several sizes.
fn read(text: &str) -> Result<String, Unrouted> {
    let whole = model(&Scan::read(text.as_bytes()));
    for size in [1, 2, 3, 7] {
        let mut scan = Scan::default();
        for piece in text.as_bytes().chunks(size) {
            scan.feed(piece);
        }
        assert_eq!(model(&scan), whole, "{text} in pieces of {size}");
    }
    whole
}

#[test]
fn a_field_is_found_wherever_it_stands() {
    for text in [
        MODEL.to_owned(),
        r#" { "model" : "a/b" } "#.into(),
        r#"{"\u006dodel":"a/b"}"#.into(),
        r#"{"model":"\u0061/b"}"#.into(),
        r#"{"stream":true,"n":-1.5e+3,"x":null,"y":0,"model":"a/b","z":[1,2,{}]}"#.into(),
        r#"{"messages":[{"model":"c/d","content":"\"model\":\"c/d\""}],"model":"a/b"}"#.into(),
        r#"{"messages":{"model":"c/d","Model":"e/f"},"model":"a/b","z":{"model":[]}}"#.into(),
        r#"{"x":"}","y":"\\","model":"a/b"}"#.into(),
        r#"{"models":"c/d","mode":1,"":0,"model":"a/b"}"#.into(),
        format!(r#"{{"prompt":"{}","model":"a/b"}}"#, "x".repeat(100_000)),
        format!(r#"{{"model":"a/b","{}":1}}"#, "x".repeat(200)),
    ] {
        assert_eq!(read(&text).as_deref(), Ok("a/b"), "{text:.100}");
    }
}

#[test]
fn what_is_there_twice_or_in_another_case_is_refused_by_its_name() {
    for (text, word) in [
        (
            r#"{"model":"a/b","model":"c/d"}"#,
            "model: must be there once",
        ),
        (
            r#"{"model":"a/b","x":[],"model":"a/b"}"#,
            "model: must be there once",
        ),
        (
            r#"{"model":"a/b","\u006Dodel":"c/d"}"#,
            "model: must be there once",
        ),
        (
            r#"{"model":"a/b","Model":"c/d"}"#,
            "model: must be there in this",
        ),
        (r#"{"MODEL":"c/d"}"#, "model: must be there in this"),
        (
            r#"{"model":"a/b","Lora_Path":"c/d"}"#,
            "lora_path: must be there in this",
        ),
        (
            r#"{"operation":"x","operation":"y"}"#,
            "operation: must be there once",
        ),
        (r#"{"nameſpace":"x"}"#, ""),
    ] {
        let told = read(text).unwrap_err().to_string();
        assert!(told.contains(word), "{text}: {told}");
    }
    // No later byte matters, so no more bytes need come.
    assert!(!Scan::default().feed(br#"{"model":"a/b","model""#));
    assert!(Scan::default().feed(br#"{"model":"a/b","mode""#));
}

#[test]
fn what_is_no_json_object_names_nothing() {
    let deep = |depth| {
        format!(
            r#"{{"x":{}{},"model":"a/b"}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(read(&deep(126)).as_deref(), Ok("a/b"));
    assert_eq!(read(&deep(127)), Err(TOO_DEEP));
    let objects = format!("{}1{}", r#"{"x":"#.repeat(128), "}".repeat(128));
    assert_eq!(read(&objects), Err(TOO_DEEP));
    for text in [
        "",
        " ",
        "[]",
        r#"["model"]"#,
        r#""model""#,
        "{",
        r#"{"model":"a/b""#,
        r#"{"model":"a/b"}}"#,
        r#"{"model":"a/b"}{}"#,
        r#"{"model":"a/b"} x"#,
        r#"{"model":"a/b",}"#,
        r#"{,"model":"a/b"}"#,
        r#"{"model":"a/b" "x":1}"#,
        r#"{"model" "a/b"}"#,
        r#"{"x":1,,"model":"a/b"}"#,
        r#"{"x":[1,],"model":"a/b"}"#,
        r#"{"x":[1}],"model":"a/b"}"#,
        r#"{'x':1,"model":"a/b"}"#,
        r#"{x:1,"model":"a/b"}"#,
        r#"{"x":01,"model":"a/b"}"#,
        r#"{"x":1.,"model":"a/b"}"#,
        r#"{"x":-,"model":"a/b"}"#,
        r#"{"x":+1,"model":"a/b"}"#,
        r#"{"x":1e,"model":"a/b"}"#,
        r#"{"x":NaN,"model":"a/b"}"#,
        r#"{"x":tru,"model":"a/b"}"#,
        r#"{"x":"\x","model":"a/b"}"#,
        r#"{"x":"\u12g4","model":"a/b"}"#,
        "{\"x\":\"\n\",\"model\":\"a/b\"}",
        r#"{/* */"model":"a/b"}"#,
        r#"{"model":"a/b"}//"#,
        "\u{feff}{\"model\":\"a/b\"}",
        r#"{"model":["a/b"]}"#,
        r#"{"model":{"a":"b"}}"#,
        r#"{"model":1}"#,
        r#"{"\ud800":1,"model":"a/b"}"#,
    ] {
        assert_eq!(read(text), Err(NO_OBJECT), "{text:.100}");
    }
    let bytes = [br#"{""#.as_slice(), b"\xff", br#"":1,"model":"a/b"}"#].concat();
    assert_eq!(model(&Scan::read(&bytes)), Err(NO_OBJECT));
}

#[test]
fn what_is_kept_has_an_end() {
    let text = format!(r#"{{"model":"{}"}}"#, "x".repeat(MOST_KEPT));
    assert_eq!(read(&text), Err(Unrouted::BodyTooLong));
    let mut scan = Scan::default();
    scan.feed(br#"{"prompt":""#);
    for _ in 0..1000 {
        assert!(scan.feed(&[b'x'; 4096]));
    }
    assert!(scan.feed(br#"","model":"a/b"}"#));
    assert_eq!(model(&scan).as_deref(), Ok("a/b"));
    assert!(scan.kept.capacity() < 1024);
}

proptest::proptest! {
    /// The scan accepts what serde_json accepts, and finds the same.
    #[test]
    fn it_reads_as_serde_json_does(text in r#"\{("(x|model|m)":("(a|\\n|\\u0041|é)*"|-?[0-9]{0,2}(\.[0-9]?)?(e[+-]?[0-9]?)?|true|null|\[[0-9,]*\]|\{("x":1)?\}),?){0,3} ?\}?"#) {
        let known: Result<Option<Option<String>>, ()> = serde_json::from_str::<Once>(&text)
            .map(|it| it.model)
            .map_err(|_| ());
        let found = Scan::read(text.as_bytes()).fields().map(|it| it.model().ok().map(String::from));
        match (known, found) {
            (Ok(known), Ok(found)) => proptest::prop_assert_eq!(known.flatten(), found),
            (Err(()), Err(_)) => {}
            (known, found) => proptest::prop_assert!(false, "{}: {:?} {:?}", text, known, found),
        }
    }
}

#[derive(serde::Deserialize)]
struct Once {
    #[serde(default)]
    model: Option<Option<String>>,
}
