//! The messages read and written in place equal those that prost reads and writes.

use proptest::{collection::vec, option, prelude::*, sample::Index};
use tokenward_proto::v1::{AccountRef, Anonymous};

use super::*;
use crate::grpc::wire::read;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()).boxed(),
        "[a-z0-9/._-]{1,20}".boxed(),
        "\\PC{0,8}".boxed(),
        // These lengths take one byte, two and three.
        prop_oneof![Just(127), Just(128), Just(4096), Just(16_383), Just(16_384)]
            .prop_map(|len| "t".repeat(len))
            .boxed(),
    ]
}

fn resource() -> impl Strategy<Value = Resource> {
    let repo = (-1..200_i32, text(), text())
        .prop_map(|(kind, name, id)| Thing::Repo(RepoRef { kind, name, id }));
    let account = (text(), text()).prop_map(|(name, id)| Thing::Account(AccountRef { name, id }));
    option::weighted(0.9, prop_oneof![repo, account]).prop_map(|resource| Resource { resource })
}

fn request() -> impl Strategy<Value = CheckRequest> {
    let caller = prop_oneof![
        4 => text().prop_map(Caller::Token),
        1 => Just(Caller::Anonymous(Anonymous {})),
    ];
    let duration =
        (-2..5_i64, 0..9_i32).prop_map(|(seconds, nanos)| prost_types::Duration { seconds, nanos });
    (
        option::weighted(0.9, caller),
        option::weighted(0.9, resource()),
        text(),
        text(),
        option::weighted(0.1, duration),
        prop::bool::weighted(0.1),
    )
        .prop_map(|fields| {
            let (caller, resource, permission, min_revision, max_staleness, explain) = fields;
            CheckRequest {
                caller,
                resource,
                permission,
                min_revision,
                max_staleness,
                explain,
            }
        })
}

/// Whether the message was read in place; then prost must read the same.
fn as_prost_reads(message: &[u8]) -> Result<bool, TestCaseError> {
    let Some(asked) = read(message) else {
        return Ok(false);
    };
    let request = CheckRequest::decode(message);
    prop_assert!(request.is_ok(), "{asked:?}: {request:?}");
    let request = request.unwrap_or_default();
    prop_assert_eq!(asked, RawQuestion::from(&request));
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_question_is_read_as_prost_reads_it(request in request()) {
        let message = request.encode_to_vec();
        let token = match &request.caller {
            Some(Caller::Token(token)) => token.len(),
            _ => 0,
        };
        let resource = request.resource.as_ref().map_or(0, |it| it.encoded_len());
        let lengths = [token, resource, request.permission.len(), request.min_revision.len()];
        let kind = match request.resource.as_ref().and_then(|it| it.resource.as_ref()) {
            Some(Thing::Repo(repo)) => repo.kind,
            _ => 0,
        };
        let plain = request.max_staleness.is_none()
            && !request.explain
            && lengths.iter().all(|len| *len < 1 << 14)
            && (0..0x80).contains(&kind);
        // The common messages are read in place.
        prop_assert_eq!(as_prost_reads(&message)?, plain);
    }

    /// Bytes are changed, removed, inserted and repeated. Whatever is read in place, prost reads the
    /// same way.
    #[test]
    fn whatever_else_is_left_to_prost(
        request in request(),
        other in request(),
        changes in vec((any::<Index>(), 0..4_u8, prop_oneof![0..64_u8, any::<u8>()]), 0..4),
        from in any::<Index>(),
    ) {
        let mut message = request.encode_to_vec();
        let other = other.encode_to_vec();
        if !other.is_empty() && changes.len() % 2 == 1 {
            message.extend_from_slice(&other[from.index(other.len())..]);
        }
        for (at, what, byte) in changes {
            if message.is_empty() {
                continue;
            }
            let at = at.index(message.len().min(64));
            match what {
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                2 => drop(message.remove(at)),
                _ => message.truncate(at),
            }
        }
        as_prost_reads(&message)?;
    }
}

/// The uncommon messages, listed: two fields of one name, another order, both fields of a oneof, no
/// text, a longer number.
#[test]
fn what_is_not_common_is_left_to_prost() {
    let token = [0x0a, 1, b't'];
    let anonymous = [0x12, 0];
    let permission = [0x22, 1, b'p'];
    for (message, common) in [
        (vec![], true),
        (token.to_vec(), true),
        ([&token[..], &permission].concat(), true),
        ([&anonymous[..], &permission].concat(), true),
        ([&token[..], &token].concat(), false),
        ([&permission[..], &token].concat(), false),
        ([&token[..], &anonymous].concat(), false),
        ([&token[..], &[0x7a, 0]].concat(), false),
        (vec![0x0a, 1, 0xff], false),
        (vec![0x0a, 0x80, 0x00], true),
        (vec![0x0a, 0x81, 0x80, 0x00, b't'], false),
        (vec![0x0a, 2, b't'], false),
        (vec![0x0a], false),
        (vec![0x08, 1], false),
        (vec![0x12, 1, 0x08], false),
        (vec![0x1a, 5, 0x0a, 3, 0x08, 0x81, 0x00], false),
        (vec![0x1a, 4, 0x0a, 0, 0x12, 0], false),
        (vec![0x1a, 0], true),
    ] {
        assert_eq!(as_prost_reads(&message).unwrap(), common, "{message:02x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_written_as_prost_writes_it() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = Arc::new(service(&hub));
    let as_prost_writes = |answer: &[u8]| {
        let response = CheckResponse::decode(answer).unwrap();
        assert_eq!(response.encode_to_vec(), answer, "{response:?}");
        response
    };
    let mut ends = Vec::new();
    for token in [mortal(7, 3 * DAY), mortal(8, 30 * DAY), "tw_eyJ.a.b".into()] {
        for id in ["own", "missing", "other-private"] {
            hub.clock.advance(Duration::from_millis(1));
            let question = question(&token, id).encode_to_vec();
            let answer = at_once(service.check(Request::new(question))).unwrap();
            let response = as_prost_writes(&answer);
            ends.push(response.principal.and_then(|it| it.expire_time).is_some());
            let mut nested = Vec::new();
            crate::protobuf::nested(&mut nested, 1, |to| to.extend_from_slice(&answer));
            let streamed = pb::CheckStreamResponse {
                result: Some(pb::check_stream_response::Result::Response(
                    CheckResponse::decode(&*answer).unwrap(),
                )),
            };
            // Some messages have more than 127 bytes.
            assert_eq!(streamed.encode_to_vec(), nested);
        }
    }
    assert!(ends.contains(&true) && ends.contains(&false));
    let garbage = at_once(service.check(Request::new(vec![0x0a, 9])));
    assert_eq!(garbage.unwrap_err().code(), Code::Internal);
}
