//! Claims that no issuer of this realm makes, signed by the realm's own key all the same.

use serde_json::{Value, json};
use tokenward_proto::v1::Reason;

use super::{Genuine, Hostile, hostile};

/// Below 2^53, every JSON parser reads an integer exactly.
const TOO_LARGE: u64 = 1 << 53;
const CLAIMS: [&str; 10] = [
    "iss", "aud", "sub", "jti", "tid", "name", "iat", "exp", "role", "scopes",
];

pub(super) fn cases(genuine: &Genuine) -> Vec<Hostile> {
    let mut payloads = missing(genuine);
    payloads.extend(duplicated(genuine));
    payloads.extend(of_a_wrong_type(genuine));
    payloads.extend(of_a_wrong_value(genuine));
    payloads.extend(other_documents(genuine));
    let mut all: Vec<Hostile> = payloads
        .into_iter()
        .map(|(name, payload)| {
            let token = genuine.signed(&genuine.header, &payload);
            hostile(format!("claims: {name}"), token, Reason::TokenClaims)
        })
        .collect();
    // These tokens are rightly made, but have expired.
    let iat = genuine.claims()["iat"].as_u64().expect("a time");
    let began = edited(genuine, "iat", json!(iat - 100_000));
    let end = format!("\"exp\":{}", own_text(genuine, "exp"));
    for before in [99_999, 3600, 1] {
        let payload = began.replace(&end, &format!("\"exp\":{}", iat - before));
        let token = genuine.signed(&genuine.header, &payload);
        all.push(hostile(
            format!("ended {before} s ago"),
            token,
            Reason::TokenExpired,
        ));
    }
    all
}

/// Returns the payload's text with one member's value replaced. The order of the members stays.
fn edited(genuine: &Genuine, name: &str, value: Value) -> String {
    let member = format!("\"{name}\":{}", own_text(genuine, name));
    assert_eq!(genuine.payload.matches(&member).count(), 1, "{member}");
    genuine
        .payload
        .replace(&member, &format!("\"{name}\":{value}"))
}

/// Returns the text of a member's value in the payload.
fn own_text(genuine: &Genuine, name: &str) -> String {
    let start = genuine
        .payload
        .find(&format!("\"{name}\":"))
        .expect("a member")
        + name.len()
        + 3;
    let rest = &genuine.payload[start..];
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    values.next().expect("a value").expect("JSON");
    rest[..values.byte_offset()].to_owned()
}

fn missing(genuine: &Genuine) -> Vec<(String, String)> {
    // `exp` is optional: a token without it lives until it is revoked.
    let required = CLAIMS.iter().filter(|name| **name != "exp");
    required
        .map(|name| {
            let member = format!("\"{name}\":{}", own_text(genuine, name));
            let payload = genuine.payload.replace(&format!("{member},"), "");
            let payload = payload.replace(&format!(",{member}"), "");
            assert!(payload.len() < genuine.payload.len(), "{member}");
            (format!("{name} missing"), payload)
        })
        .collect()
}

fn duplicated(genuine: &Genuine) -> Vec<(String, String)> {
    let both = |name: &&str| {
        let own = own_text(genuine, name);
        let member = format!("\"{name}\":{own}");
        let twice = |first: &str| {
            let doubled = format!("\"{name}\":{first},{member}");
            genuine.payload.replace(&member, &doubled)
        };
        [
            (format!("{name} twice"), twice(&own)),
            (format!("{name} null, then right"), twice("null")),
        ]
    };
    CLAIMS.iter().flat_map(both).collect()
}

fn of_a_wrong_type(genuine: &Genuine) -> Vec<(String, String)> {
    let wrong = [
        json!(null),
        json!(true),
        json!(7),
        json!(1.5),
        json!(-1),
        json!(1e300),
        json!("7"),
        json!(""),
        json!([]),
        json!(["7"]),
        json!({}),
        json!({"a": 1}),
    ];
    let mut all = Vec::new();
    for name in CLAIMS {
        for value in &wrong {
            let right = match name {
                "iat" => *value == json!(7),
                // Serials are strings, and any text is a valid name or id; an empty text is not.
                "sub" | "jti" | "tid" | "name" => *value == json!("7"),
                _ => false,
            };
            if !right {
                all.push((
                    format!("{name} is {value}"),
                    edited(genuine, name, value.clone()),
                ));
            }
        }
    }
    all
}

fn of_a_wrong_value(genuine: &Genuine) -> Vec<(String, String)> {
    let iat = genuine.claims()["iat"].as_u64().expect("a time");
    let serial = genuine.claims()["jti"]
        .as_str()
        .expect("a serial")
        .to_owned();
    [
        ("iss", json!("https://tokens.test/")),
        ("iss", json!("https://tokens.test.evil")),
        ("iss", json!("HTTPS://tokens.test")),
        ("aud", json!("another-realm")),
        ("aud", json!([genuine.claims()["aud"]])),
        ("sub", json!("a b")),
        ("sub", json!("x".repeat(65))),
        ("jti", json!("0")),
        ("jti", json!(format!("0{serial}"))),
        ("jti", json!(format!("+{serial}"))),
        ("jti", json!(format!("{serial}.0"))),
        ("jti", json!("0x7")),
        ("jti", json!(TOO_LARGE.to_string())),
        ("jti", json!("18446744073709551616")),
        // The token id is the serial of the first value, so it can't be above the value's own serial.
        ("tid", json!((TOO_LARGE - 1).to_string())),
        ("tid", json!("0")),
        ("name", json!("x".repeat(101))),
        ("iat", json!(TOO_LARGE)),
        ("iat", json!(u64::MAX)),
        // These tokens end before or when they were made.
        ("exp", json!(0)),
        ("exp", json!(iat)),
        ("exp", json!(iat - 1)),
        ("exp", json!(TOO_LARGE)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("role", json!("admin")),
        ("role", json!("READ")),
        ("role", json!("read ")),
        // Only a fine-grained token has scopes.
        ("role", json!("read")),
        ("role", json!("write")),
        ("scopes", json!({"scoped": null})),
        ("scopes", json!({"scoped": [{}]})),
        ("scopes", json!({"scoped": [], "more": true})),
        (
            "scopes",
            json!({"scoped": [{"entity": {"type": "planet", "id": "x"}, "permissions": []}]}),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (format!("{name} is {value}"), edited(genuine, name, value)))
    .collect()
}

fn other_documents(genuine: &Genuine) -> Vec<(String, String)> {
    let inside = &genuine.payload[1..genuine.payload.len() - 1];
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    [
        ("unknown nbf", format!("{{{inside},\"nbf\":0}}")),
        ("unknown admin", format!("{{{inside},\"admin\":true}}")),
        ("unknown and deep", format!("{{{inside},\"x\":{deep}}}")),
        ("an array", format!("[{}]", genuine.payload)),
        ("text after", format!("{}x", genuine.payload)),
        ("two documents", genuine.payload.repeat(2)),
        ("a comment", format!("{}//", genuine.payload)),
        ("a trailing comma", format!("{{{inside},}}")),
        ("a byte order mark", format!("\u{feff}{}", genuine.payload)),
        ("empty", String::new()),
        ("an empty object", "{}".into()),
        ("null", "null".into()),
        ("deep", deep),
    ]
    .map(|(name, payload)| (name.to_owned(), payload))
    .into()
}
