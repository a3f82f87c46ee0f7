//! Tests of the claims' form: any other form is refused, even with a valid signature.

use super::*;

fn refused(payload: &Value) {
    assert_eq!(check_payload(payload), Err(TokenError::Claims), "{payload}");
}

fn refused_text(payload: &str) {
    assert_eq!(
        check(&signed(HEADER, payload)),
        Err(TokenError::Claims),
        "{payload}"
    );
}

/// Every member of every object in the claims, as a JSON pointer to the object and a name.
const MEMBERS: [(&str, &str, bool); 17] = [
    ("", "iss", true),
    ("", "aud", true),
    ("", "sub", true),
    ("", "jti", true),
    ("", "tid", true),
    ("", "name", true),
    ("", "iat", true),
    ("", "exp", false),
    ("", "role", true),
    ("", "scopes", true),
    ("/scopes", "scoped", true),
    ("/scopes", "global", false),
    ("/scopes", "canReadGatedRepos", false),
    ("/scopes/scoped/0", "entity", true),
    ("/scopes/scoped/0", "permissions", true),
    ("/scopes/scoped/0", "patterns", false),
    ("/scopes/scoped/0/entity", "type", true),
];

#[test]
fn members_missing() {
    for (at, name, required) in MEMBERS {
        let payload = edited(|payload| {
            let object = payload.pointer_mut(at).unwrap().as_object_mut().unwrap();
            assert!(object.remove(name).is_some());
        });
        if required {
            refused(&payload);
        } else {
            assert!(check_payload(&payload).is_ok(), "{payload}");
        }
    }
}

#[test]
fn members_of_a_wrong_type() {
    let wrong = [
        json!(null),
        json!(true),
        json!(1.0),
        json!(-1),
        json!(1e300),
        json!(7),
        json!("7"),
        json!("text"),
        json!([]),
        json!(["a"]),
        json!([1]),
        json!({}),
        json!({"read": null}),
        json!({"fineGrained": null}),
    ];
    for (at, name, _) in MEMBERS {
        let before = claims_json().pointer(at).unwrap()[name].clone();
        for value in &wrong {
            let payload = edited(|payload| payload.pointer_mut(at).unwrap()[name] = value.clone());
            // A value of the right type may be valid, so it isn't tested here.
            let same_type = std::mem::discriminant(&before) == std::mem::discriminant(value);
            let bad_element = matches!(value, Value::Array(of) if of.first() == Some(&json!(1)));
            let not_whole = matches!(value, Value::Number(n) if !n.is_u64());
            if !same_type || bad_element || not_whole {
                refused(&payload);
            }
        }
    }
}

#[test]
fn members_unknown() {
    for (at, ..) in MEMBERS {
        for (name, value) in [("nbf", json!(0)), ("", json!(null)), ("ISS", json!("x"))] {
            refused(&edited(|payload| {
                payload.pointer_mut(at).unwrap()[name] = value
            }));
        }
    }
}

#[test]
fn members_duplicated() {
    let text = serde_json::to_string(&claims()).unwrap();
    assert!(check(&signed(HEADER, &text)).is_ok());
    for (at, name, _) in MEMBERS {
        let object = claims_json().pointer(at).unwrap().clone();
        let member = format!("\"{name}\":{}", object[name]);
        // This writes the members of values in another order than `text` would.
        let text = claims_json().to_string();
        assert_eq!(text.matches(&member).count(), 1, "{member}");
        refused_text(&text.replace(&member, &format!("{member},{member}")));
        refused_text(&text.replace(&member, &format!("\"{name}\":null,{member}")));
    }
}

#[test]
fn objects_written_as_arrays() {
    let c = claims_json();
    let all: Vec<&Value> = [
        "iss", "aud", "sub", "jti", "tid", "name", "iat", "exp", "role", "scopes",
    ]
    .iter()
    .map(|name| &c[name])
    .collect();
    refused(&json!(all));
    let scopes = &c["scopes"];
    let list = json!([scopes["scoped"], scopes["global"], true]);
    refused(&edited(|payload| payload["scopes"] = list));
    let scope = &scopes["scoped"][0];
    let list = json!([scope["entity"], scope["permissions"], scope["patterns"]]);
    refused(&edited(|payload| payload["scopes"]["scoped"][0] = list));
    let list = json!(["org", "org1"]);
    refused(&edited(|payload| {
        payload["scopes"]["scoped"][0]["entity"] = list
    }));
}

#[test]
fn values_out_of_bounds() {
    for (name, values) in [
        (
            "iss",
            vec![
                json!(""),
                json!("https://issuer.example/"),
                json!("https://other.example"),
            ],
        ),
        (
            "aud",
            vec![json!(""), json!("Hub"), json!("hub2"), json!(["hub"])],
        ),
        ("sub", vec![json!(""), json!("a/b"), json!("a".repeat(65))]),
        (
            "jti",
            vec![
                json!("0"),
                json!("07"),
                json!("+7"),
                json!("7 "),
                json!("9007199254740992"),
            ],
        ),
        (
            "tid",
            vec![json!("0"), json!("8"), json!("3.0"), json!("0x3")],
        ),
        ("name", vec![json!(""), json!("é".repeat(101))]),
        (
            "iat",
            vec![json!(1_800_000_000), json!(1u64 << 53), json!(u64::MAX)],
        ),
        (
            "exp",
            vec![json!(0), json!(1_790_000_000), json!(1u64 << 53)],
        ),
        (
            "role",
            vec![
                json!("read"),
                json!("FineGrained"),
                json!("admin"),
                json!(""),
            ],
        ),
    ] {
        for value in values {
            refused(&edited(|payload| payload[name] = value));
        }
    }
    for kind in ["Org", "repo", "", "resource_group"] {
        refused(&edited(|payload| {
            payload["scopes"]["scoped"][0]["entity"]["type"] = json!(kind)
        }));
    }
    let long = edited(|payload| payload["name"] = json!("é".repeat(100)));
    assert!(check_payload(&long).is_ok());
}

#[test]
fn payloads_that_are_not_the_json_of_claims() {
    let text = serde_json::to_string(&claims()).unwrap();
    for bad in ["", " ", "null", "[]", "{}", "\"\"", "{", "\u{feff}{}"] {
        refused_text(bad);
    }
    refused_text(&format!("{text}{text}"));
    refused_text(&format!("{text}x"));
    refused_text(&format!("{text}\0"));
    refused_text(&text[..text.len() - 1]);
    refused_text(&text.replace("laptop", r"\ud800"));
    refused_text(&text.replace("laptop", "lap\ntop"));
    let mut bytes = text.into_bytes();
    let at = bytes.windows(6).position(|six| six == b"laptop").unwrap();
    bytes[at] = 0xff;
    let token = signed_segments(&b64(HEADER), &b64(bytes));
    assert_eq!(check(&token), Err(TokenError::Claims));
}

#[test]
fn payloads_that_are_not_base64url() {
    let text = serde_json::to_string(&claims()).unwrap();
    // These lengths leave spare bits, so that a second spelling exists.
    let padded = ["", " ", "  "].map(|space| format!("{text}{space}"));
    for text in &padded {
        let payload = b64(text);
        assert!(check(&signed_segments(&b64(HEADER), &payload)).is_ok());
        let mut bad = vec![
            format!("{payload}="),
            format!("{payload}=="),
            format!("{payload}A"),
            format!("{payload}\n"),
            format!(" {payload}"),
            payload.replacen('e', "+", 1),
            payload.replacen('e', "/", 1),
            payload.replacen('e', "é", 1),
        ];
        if !text.len().is_multiple_of(3) {
            let (start, last) = payload.split_at(payload.len() - 1);
            bad.push(format!("{start}{}", char::from(last.as_bytes()[0] + 1)));
        }
        for payload in bad {
            let token = signed_segments(&b64(HEADER), &payload);
            assert_eq!(check(&token), Err(TokenError::Claims), "{payload}");
        }
    }
}
