use futures_util::StreamExt as _;
use tokenward_proto::v1::{CheckStreamResponse, check_stream_response::Result as Answer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

type Asked = Result<CheckRequest, Status>;

fn encoded(asked: Asked) -> Result<Vec<u8>, Status> {
    asked.map(|asked| asked.encode_to_vec())
}

/// Opens a stream with room for one question besides the one that is being read.
fn open(service: &VerifierGrpc) -> (mpsc::Sender<Asked>, stream::Answers) {
    let (ask, asked) = mpsc::channel(1);
    let answers = stream::answers(
        service.clone(),
        Peer::UNKNOWN,
        ReceiverStream::new(asked).map(encoded),
        None,
    );
    (ask, answers)
}

async fn answered(answers: &mut stream::Answers) -> Answer {
    let answer = answers.next().await.unwrap().unwrap();
    let answer = CheckStreamResponse::decode(&*answer).unwrap();
    answer.result.unwrap()
}

fn code(answer: Answer) -> Code {
    match answer {
        Answer::Response(response) => panic!("{response:?}"),
        Answer::Error(error) => Code::from(error.code),
    }
}

#[tokio::test(start_paused = true)]
async fn one_answer_each_in_order_whatever_is_wrong_with_one() {
    let hub = Hub::followed(Guards::ALL).await;
    let service = service(&hub);
    let (ask, mut answers) = open(&service);
    let good = question(&token("ada", 7, TokenRole::Write), "own");
    let behind = CheckRequest {
        max_staleness: Some(prost_types::Duration::default()),
        ..good.clone()
    };
    let explained = CheckRequest {
        explain: true,
        ..good.clone()
    };
    hub.clock.advance(Duration::from_millis(1));
    hub.feed.away(true);
    for (asked, expected) in [
        (CheckRequest::default(), Some(Code::InvalidArgument)),
        (good.clone(), None),
        (behind, Some(Code::Unavailable)),
        (explained, Some(Code::InvalidArgument)),
        (good, None),
    ] {
        ask.send(Ok(asked)).await.unwrap();
        let answer = answered(&mut answers).await;
        match expected {
            Some(expected) => assert_eq!(code(answer), expected),
            None => {
                assert!(matches!(answer, Answer::Response(it) if it.verdict() == Verdict::Allow))
            }
        }
    }
    drop(ask);
    assert!(answers.next().await.is_none());
}

/// The error is no denial of the token, and the stream goes on.
#[tokio::test(start_paused = true)]
async fn an_unsettled_key_is_an_error_of_its_question() {
    let hub = unsettled(&[&key("k1", 1)]).await;
    let (ask, mut answers) = open(&service(&hub));
    let good = question(&token("ada", 7, TokenRole::Write), "own");
    let new = question(&signed_by(&key("k2", 2), 7), "own");
    for (asked, unsettled) in [(&new, true), (&good, false), (&new, true)] {
        ask.send(Ok(asked.clone())).await.unwrap();
        let answer = answered(&mut answers).await;
        if unsettled {
            assert_eq!(code(answer), Code::Unavailable);
        } else {
            assert!(matches!(answer, Answer::Response(it) if it.verdict() == Verdict::Allow));
        }
    }
}

/// Each question is judged at its own time: a token may expire, or the view go stale, while the stream
/// is open.
#[tokio::test(start_paused = true)]
async fn each_question_is_judged_when_it_is_taken() {
    let hub = Hub::followed(Guards::ALL).await;
    let (ask, mut answers) = open(&service(&hub));
    let asked = question(&mortal(7, 3), "own");
    let forever = question(&token("ada", 8, TokenRole::Write), "own");
    hub.feed.away(true);
    ask.send(Ok(asked.clone())).await.unwrap();
    let answer = answered(&mut answers).await;
    assert!(matches!(answer, Answer::Response(it) if it.verdict() == Verdict::Allow));
    hub.clock.advance(Duration::from_secs(3));
    ask.send(Ok(asked)).await.unwrap();
    let answer = answered(&mut answers).await;
    assert!(matches!(answer, Answer::Response(it) if it.reason() == Reason::TokenExpired));
    hub.clock.advance(Duration::from_millis(2001));
    ask.send(Ok(forever)).await.unwrap();
    assert_eq!(code(answered(&mut answers).await), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_before_the_last_answer_is() {
    let hub = Hub::followed(Guards::ALL).await;
    let (ask, mut answers) = open(&service(&hub));
    let good = || Ok(question(&token("ada", 7, TokenRole::Write), "own"));
    assert!(ask.try_send(good()).is_ok());
    // No answer is read, so no question is read either, and the one place stays full.
    tokio::task::yield_now().await;
    assert!(ask.try_send(good()).is_err());
    answered(&mut answers).await;
    assert!(ask.try_send(good()).is_ok());
    assert!(ask.try_send(good()).is_err());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_process_and_with_a_malformed_frame() {
    let hub = Hub::followed(Guards::ALL).await;
    let malformed = service(&hub);
    let (ask, mut answers) = open(&malformed);
    ask.send(Err(Status::internal("not a message")))
        .await
        .unwrap();
    let status = answers.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(answers.next().await.is_none());

    let times = tokenward_common::process::DrainTimes {
        delay: Duration::from_secs(5),
        limit: Duration::from_secs(10),
    };
    let draining = VerifierGrpc {
        shutdown: Shutdown::start(times),
        ..malformed
    };
    let (ask, mut answers) = open(&draining);
    let good = || Ok(question(&token("ada", 7, TokenRole::Write), "own"));
    // The verifier is not ready but still serves.
    draining.shutdown.drain();
    ask.send(good()).await.unwrap();
    answered(&mut answers).await;
    // The stream ends although there is always one more question.
    draining.shutdown.stopping().await;
    ask.send(good()).await.unwrap();
    let status = answers.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(answers.next().await.is_none());
}
