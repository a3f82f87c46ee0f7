//! Tests that a message that is read in place reads as prost reads it.

use proptest::{
    collection::{hash_map, vec},
    option,
    prelude::*,
    sample::{Index, select},
};

use super::*;
use crate::edge::{
    envoy::{request::EnvoyRequest, wire},
    routes::Body,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()).boxed(),
        "[a-z0-9/._?-]{1,20}".boxed(),
        "\\PC{0,8}".boxed(),
        // These lengths take one byte, two bytes and three.
        select(&[127, 128, 4096, 16_384][..])
            .prop_map(|len| "t".repeat(len))
            .boxed(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&["authorization", "Authorization", "content-length", ":path"][..])
            .prop_map(String::from),
        4 => "[a-z-]{0,4}",
        1 => text(),
    ]
}

fn header_map() -> impl Strategy<Value = HeaderMap> {
    let header = (name(), text(), vec(any::<u8>(), 0..4));
    let header = header.prop_map(|(key, value, raw_value)| HeaderValue {
        key,
        value,
        raw_value,
    });
    vec(header, 0..4).prop_map(|headers| HeaderMap { headers })
}

fn http_request() -> impl Strategy<Value = HttpRequest> {
    let texts = (text(), text(), text(), text(), text());
    let bodies = (text(), vec(any::<u8>(), 0..4));
    let size = prop_oneof![Just(0), Just(-1), any::<i64>()];
    (
        texts,
        hash_map(name(), text(), 0..6),
        option::weighted(0.3, header_map()),
        bodies,
        size,
        name(),
    )
        .prop_map(|fields| {
            let ((id, method, path, host, query), headers, header_map, bodies, size, word) = fields;
            HttpRequest {
                id,
                method,
                headers,
                header_map,
                path,
                host,
                scheme: word.clone(),
                query,
                size,
                protocol: word,
                body: bodies.0,
                raw_body: bodies.1,
            }
        })
}

fn request() -> impl Strategy<Value = CheckRequest> {
    (http_request(), hash_map(name(), text(), 0..3)).prop_map(|(http, context_extensions)| {
        CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(Inner { http: Some(http) }),
                context_extensions,
            }),
        }
    })
}

/// Sorts what prost reads, since prost makes maps with a random order.
fn sorted(mut asked: EnvoyRequest<'_>) -> EnvoyRequest<'_> {
    asked.headers.sort_unstable();
    asked.extensions.sort_unstable();
    asked
}

/// Returns whether the message was read in place. If it was, prost must make the same of it.
fn as_prost_reads(message: &[u8]) -> Result<bool, TestCaseError> {
    let Some(asked) = wire::read(message) else {
        return Ok(false);
    };
    let request = CheckRequest::decode(message);
    prop_assert!(request.is_ok(), "{asked:?}: {request:?}");
    let request = request.unwrap_or_default();
    prop_assert_eq!(
        Some(sorted(asked)),
        EnvoyRequest::from_message(&request).map(sorted)
    );
    Ok(true)
}

/// This is a git-lfs batch as Envoy 1.40 showed it with the settings in `deploy/envoy`: with peers, a time
/// and a body.
const BY_ENVOY: &[u8] = include_bytes!("batch_by_envoy_1_40.bin");

#[test]
fn what_envoy_writes_is_read_in_place() {
    assert!(as_prost_reads(BY_ENVOY).unwrap());
    let asked = wire::read(BY_ENVOY).unwrap();
    assert_eq!(asked.target(), "/acme/llm.git/info/lfs/objects/batch");
    assert_eq!(asked.method, "POST");
    assert!(asked.body(&Cuts::default()).0 == Body::Whole(br#"{"operation":"download"}"#));
    assert_eq!(asked.first("authorization"), Some(&b"Bearer x"[..]));
}

/// Writes a field with these bytes, as it appears in a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    crate::protobuf::nested(&mut field, number, |to| to.extend_from_slice(bytes));
    field
}

/// Writes a message about a request with these fields.
fn about(http: &[u8]) -> Vec<u8> {
    field(1, &field(4, &field(2, http)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_request_is_read_as_prost_reads_it(request in request()) {
        let message = request.encode_to_vec();
        let short = request.attributes.is_some_and(|it| it.encoded_len() < 1 << 14);
        // Common messages are read in place.
        prop_assert_eq!(as_prost_reads(&message)?, short);
    }

    /// Bytes are changed, removed, inserted or repeated. Every message that is read in place must read as
    /// with prost.
    #[test]
    fn whatever_else_is_left_to_prost(
        request in request(),
        other in request(),
        changes in vec((any::<Index>(), 0..4_u8, prop_oneof![0..0x80_u8, any::<u8>()]), 0..4),
        within in any::<bool>(),
    ) {
        let of = |request: &CheckRequest| {
            let http = request.attributes.as_ref().and_then(|it| it.request.as_ref());
            http.and_then(|it| it.http.as_ref()).map(HttpRequest::encode_to_vec)
        };
        let (mut message, other) = if within {
            (of(&request).unwrap_or_default(), of(&other).unwrap_or_default())
        } else {
            (request.encode_to_vec(), other.encode_to_vec())
        };
        if changes.len() % 2 == 1 {
            message.extend_from_slice(&other);
        }
        for (at, what, byte) in changes {
            if message.is_empty() {
                continue;
            }
            let at = at.index(message.len().min(256));
            match what {
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                2 => drop(message.remove(at)),
                _ => message.truncate(at),
            }
        }
        as_prost_reads(&if within { about(&message) } else { message })?;
    }
}

/// These messages are uncommon on purpose: repeated names and fields, another order, invalid UTF-8, a
/// longer number, unknown fields.
#[test]
fn what_is_not_common_is_left_to_prost() {
    let header = |name: &str, value: &str| {
        let entry = [field(1, name.as_bytes()), field(2, value.as_bytes())];
        field(3, &entry.concat())
    };
    let (one, two) = (header("a", "1"), header("b", "2"));
    let path = field(4, b"/x");
    let http = field(2, &path);
    let of = |parts: &[&[u8]]| about(&parts.concat());
    let minus = [&[0xff; 9][..], &[1]].concat();
    let size = |number: &[u8]| [&[9 << 3], number].concat();
    let many = |count: u8| {
        let names = (0..count).map(|n| header(&n.to_string(), ""));
        about(&names.collect::<Vec<_>>().concat())
    };
    for (number, (message, common)) in [
        (of(&[]), true),
        (of(&[&one, &two, &path]), true),
        // A name in another case is another name.
        (of(&[&one, &header("A", "1")]), true),
        (of(&[&one, &header("a", "2")]), false),
        (of(&[&one, &two, &one]), false),
        (of(&[&path, &one]), false),
        (of(&[&path, &path]), false),
        (of(&[&one, &field(3, &[])]), true),
        (of(&[&field(3, &[]), &field(3, &[])]), false),
        (
            of(&[&field(3, &[field(2, b"v"), field(1, b"k")].concat())]),
            false,
        ),
        (of(&[&field(3, &field(3, b""))]), false),
        // Envoy writes -1 if there is no length.
        (of(&[&size(&minus)]), true),
        (of(&[&size(&[5])]), true),
        (of(&[&size(&[0x80; 9]), &[0]]), true),
        (of(&[&size(&[0xff; 9]), &[2]]), false),
        (of(&[&size(&[0xff; 10]), &[0]]), false),
        (of(&[&size(&[0xff; 3])]), false),
        (of(&[&field(9, b"")]), false),
        (of(&[&[4 << 3, 1]]), false),
        // This is invalid UTF-8 in a field that nobody reads.
        (of(&[&field(4, b"\xff")]), false),
        (of(&[&field(1, b"\xff")]), false),
        (
            of(&[&header("a", "")
                .iter()
                .map(|b| if *b == b'a' { 0xff } else { *b })
                .collect::<Vec<_>>()]),
            false,
        ),
        (of(&[&field(12, b"\xff")]), true),
        (of(&[&field(13, &field(1, &field(3, b"\xff")))]), true),
        (of(&[&field(13, &field(1, &field(4, b"")))]), false),
        (of(&[&field(13, &field(2, b""))]), false),
        // These fields are the fragment, and what later versions of Envoy may add.
        (
            of(&[&field(8, b"\xff"), &field(14, b"\xff"), &[15 << 3, 0x80, 1]]),
            true,
        ),
        (of(&[&[14 << 3 | 5, 0, 0, 0, 0]]), false),
        (of(&[&[0x82, 1, 0]]), false),
        (of(&[&[0, 0]]), false),
        (many(128), true),
        (many(129), false),
        // These fields are the peers, the settings and the time.
        (
            field(
                1,
                &[
                    field(1, b"\xff"),
                    field(4, &[field(1, b"\xff"), http.clone()].concat()),
                ]
                .concat(),
            ),
            true,
        ),
        (
            field(
                1,
                &[
                    field(4, &http),
                    field(10, &[]),
                    field(10, &field(1, b"k")),
                    field(11, b""),
                ]
                .concat(),
            ),
            true,
        ),
        (
            field(
                1,
                &[field(4, &http), field(10, &[]), field(10, &[])].concat(),
            ),
            false,
        ),
        (
            field(1, &[field(4, &http), field(4, &http)].concat()),
            false,
        ),
        (
            field(1, &field(4, &[http.clone(), http.clone()].concat())),
            false,
        ),
        ([field(1, &field(4, &http)), field(1, &[])].concat(), false),
        (field(2, &field(4, &http)), false),
        // These messages are not about an HTTP request.
        (field(1, &field(4, &[])), false),
        (field(1, &[]), false),
        (vec![], false),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            as_prost_reads(&message).unwrap(),
            common,
            "row {number}: {message:02x?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_told_so_and_let_nothing_through() {
    let hub = hub().await;
    let door = door(&hub);
    for message in [&[0x0a, 9][..], &[0xff], &about(&field(4, b"\xff"))] {
        let told = check(&door, message, &MetadataMap::new());
        assert_eq!(told.unwrap_err().code(), tonic::Code::Internal);
    }
}

/// A request gets the same answer whether it is read in place or by prost.
#[tokio::test(start_paused = true)]
async fn both_readings_have_one_answer() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let bare = field(4, b"/acme/llm/resolve/main/x");
    let entry = [field(1, b"authorization"), field(2, reads.as_bytes())].concat();
    let entry = field(3, &entry);
    let method = field(2, b"GET");
    // Headers may come before or after the path. Envoy does not write the second order.
    let in_place = about(&[&method[..], &entry, &bare].concat());
    let by_prost = about(&[&method[..], &bare, &entry].concat());
    assert!(wire::read(&in_place).is_some() && wire::read(&by_prost).is_none());
    // Of two credentials with one name the last one counts, as protobuf defines it.
    let nobody = field(
        3,
        &[field(1, b"authorization"), field(2, b"Bearer x")].concat(),
    );
    let last_good = about(&[&method[..], &nobody, &entry, &bare].concat());
    let last_bad = about(&[&method[..], &entry, &nobody, &bare].concat());
    for (message, expected) in [
        (in_place, 200),
        (by_prost, 200),
        (last_good, 200),
        (last_bad, 401),
    ] {
        let answer = check(&door, &message, &MetadataMap::new()).unwrap();
        assert_eq!(status(&read(&answer)), expected);
    }
}
