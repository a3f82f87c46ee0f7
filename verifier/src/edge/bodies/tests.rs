use std::convert::Infallible;

use futures_util::stream;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;

use super::*;
use crate::edge::{judge::Outcome, routes::Body as Judged};

const MOST: usize = 256 * 1024;

fn shares(process: usize) -> Shares {
    Shares {
        process,
        ..Shares::DEFAULT
    }
}

fn pieces(count: usize, size: usize) -> impl Body<Data = Bytes, Error = Infallible> {
    let piece = move |_| Ok(Frame::data(Bytes::from(vec![b' '; size])));
    StreamBody::new(stream::iter((0..count).map(piece)))
}

fn headers(name: hyper::header::HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, value.parse().unwrap())])
}

fn word(read: &Result<Read, NotRead>) -> &'static str {
    match read {
        Ok(Read::Whole(..)) => "whole",
        Ok(Read::Unreadable(_)) => "unreadable",
        Ok(Read::TooLong) => "too long",
        Ok(Read::Encoded) => "encoded",
        Err(NotRead::Stranger(told)) => {
            assert!(matches!(told.outcome, Outcome::LoginRequired));
            "stranger"
        }
        Err(NotRead::NoRoom) => "no room",
        Err(NotRead::Broken) => "broken",
    }
}

/// Returns the caller's answer, if the caller is a stranger.
fn standing(known: bool) -> Option<Box<Judgement>> {
    let stranger = || Judgement::new(Outcome::LoginRequired, Dialect::Hub);
    (!known).then(|| Box::new(stranger()))
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_up_to_a_limit_that_nobody_s_word_moves() {
    let bodies = Bodies::new(MOST);
    let none = HeaderMap::new();
    for (count, size, expected) in [
        (1, MOST, "whole"),
        (MOST / 1024, 1024, "whole"),
        (MOST / 1024 + 1, 1024, "too long"),
        (1, MOST + 1, "too long"),
        (0, 1, "whole"),
    ] {
        let read = bodies
            .read(&none, pieces(count, size), None, || standing(true))
            .await;
        assert_eq!(word(&read), expected, "{count} {size}");
    }
    let says = headers(CONTENT_LENGTH, &(MOST + 1).to_string());
    let read = bodies
        .read(&says, pieces(1, 1), None, || standing(true))
        .await;
    assert_eq!(word(&read), "too long");
    for (coding, expected) in [
        // The body is not gzip.
        ("gzip", "encoded"),
        ("identity", "whole"),
        ("Identity", "whole"),
        ("br, gzip", "encoded"),
        ("gzip, identity", "encoded"),
        ("gzip, gzip", "encoded"),
        ("x-gzip", "encoded"),
        ("deflate", "encoded"),
        ("", "encoded"),
    ] {
        let read = bodies
            .read(
                &headers(CONTENT_ENCODING, coding),
                pieces(1, 1),
                None,
                || standing(true),
            )
            .await;
        assert_eq!(word(&read), expected, "{coding}");
    }
    // Some programs would decode these otherwise, or take them for a form.
    for (kind, expected) in [
        ("application/json", "whole"),
        ("Application/JSON; charset=UTF-8", "whole"),
        ("application/json;charset=\"utf-8\"", "whole"),
        ("application/vnd.git-lfs+json; charset=utf-8", "whole"),
        ("application/json; charset=utf-7", "encoded"),
        ("application/json; charset=utf-16", "encoded"),
        ("application/json; charset=utf-8; charset=utf-7", "encoded"),
        ("application/json; x=multipart/form-data", "encoded"),
        (
            "application/json, application/x-www-form-urlencoded",
            "encoded",
        ),
        ("application/x-www-form-urlencoded", "encoded"),
        ("multipart/form-data; boundary=x", "encoded"),
        ("application/form+json", "encoded"),
        ("text/plain", "encoded"),
        ("", "encoded"),
    ] {
        let kind = headers(CONTENT_TYPE, kind);
        let read = bodies
            .read(&kind, pieces(1, 1), None, || standing(true))
            .await;
        assert_eq!(word(&read), expected, "{kind:?}");
    }
    let mut two = headers(CONTENT_TYPE, "application/json");
    two.append(CONTENT_TYPE, "application/json".parse().unwrap());
    let read = bodies
        .read(&two, pieces(1, 1), None, || standing(true))
        .await;
    assert_eq!(word(&read), "encoded");
    // A body that can't be right any more is not read further.
    let read = bodies
        .read(&none, Full::from("[]"), None, || standing(true))
        .await;
    assert_eq!(word(&read), "unreadable");
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_compressed_is_looked_through_and_kept_as_it_came() {
    let room = Room::new(shares(2 * MOST));
    let bodies = Bodies::with_room(MOST, room.clone());
    let gzip = headers(CONTENT_ENCODING, "GZip");
    let ask = |sent: Vec<u8>, known: bool| {
        let (bodies, gzip) = (bodies.clone(), gzip.clone());
        async move {
            bodies
                .read(&gzip, Full::from(sent), None, || standing(known))
                .await
        }
    };
    let short = zipped(r#"{"operation":"download"}"#);
    let Ok(Read::Whole(bytes, scan)) = ask(short.clone(), false).await else {
        panic!("not read");
    };
    assert_eq!(bytes, short);
    assert!(scan == Scan::read(br#"{"operation":"download"}"#));
    drop(bytes);
    assert_eq!(room.taken(), 0);
    let twice = r#"{"operation":"download","operation":"upload"}"#;
    let mut noise = String::new();
    for number in 0..MOST / 4 {
        noise.push_str(&format!("{} ", number * 7919 % 100_003));
    }
    let text = |length: usize| format!(r#"{{"a":"{}"}}"#, &noise[..length - 8]);
    for (plain, known, expected) in [
        (twice.to_owned(), true, "unreadable"),
        ("[]".into(), true, "unreadable"),
        (text(MOST), true, "whole"),
        (text(MOST + 1), true, "too long"),
        (text(STRANGERS), false, "whole"),
        (text(STRANGERS + 1), false, "stranger"),
        (text(MOST + 1), false, "stranger"),
        // This is a bomb that grows as much as a body may.
        (" ".repeat(64 * MOST), true, "too long"),
        (" ".repeat(64 * MOST), false, "stranger"),
    ] {
        let read = ask(zipped(&plain), known).await;
        let start = &plain[..plain.len().min(50)];
        assert_eq!(word(&read), expected, "{start} {known}");
        // A body in memory is scanned with the same result.
        if known {
            let at_hand = look_through(&zipped(&plain), Coding::Gzip, MOST, || standing(true));
            assert_eq!(word(&at_hand), expected, "{start}");
        }
    }
    let (one, cut) = (zipped("{}"), short.len() - 1);
    for sent in [
        [&one[..], &one].concat(),
        short[..cut].to_vec(),
        b"{}".to_vec(),
    ] {
        let at_hand = look_through(&sent, Coding::Gzip, MOST, || standing(true));
        assert_eq!(word(&at_hand), "encoded");
        assert_eq!(word(&ask(sent, true).await), "encoded");
    }
    assert_eq!(room.taken(), 0);
}

/// A stranger's body is limited by its length and by its declared length. For a short body nobody asks
/// whether the caller is a stranger.
#[tokio::test(start_paused = true)]
async fn of_a_stranger_less_is_read() {
    let bodies = Bodies::new(MOST);
    let none = HeaderMap::new();
    let says = |length: usize| headers(CONTENT_LENGTH, &length.to_string());
    for (headers, length, known, expected) in [
        (&none, UNCHARGED, false, "whole"),
        (&says(UNCHARGED), UNCHARGED, false, "whole"),
        (&none, UNCHARGED + 1, false, "whole"),
        (&none, STRANGERS, false, "whole"),
        (&none, STRANGERS + 1, false, "stranger"),
        (&none, STRANGERS + 1, true, "whole"),
        (&none, MOST + 1, false, "stranger"),
        (&none, MOST + 1, true, "too long"),
        (&says(STRANGERS + 1), 1, false, "stranger"),
        (&says(MOST + 1), 1, false, "stranger"),
        (&says(STRANGERS), STRANGERS, false, "whole"),
    ] {
        let asked = std::cell::Cell::new(0);
        let stranger = || {
            asked.set(asked.get() + 1);
            standing(known)
        };
        let read = bodies
            .read(headers, pieces(length, 1), None, stranger)
            .await;
        assert_eq!(word(&read), expected, "{length} {known}");
        let short = expected == "whole" && length <= UNCHARGED;
        assert_eq!(asked.get(), usize::from(!short), "{length}");
    }
}

/// The limit also holds for a body that is already in memory.
#[test]
fn a_stranger_s_long_body_is_not_looked_through() {
    for (length, known, expected) in [
        (STRANGERS, false, "whole"),
        (STRANGERS + 1, false, "stranger"),
        (STRANGERS + 1, true, "whole"),
        (MOST + 1, true, "whole"),
    ] {
        let body = vec![b' '; length];
        let read = look_through(&body, Coding::Plain, MOST, || standing(known));
        assert_eq!(word(&read), expected, "{length} {known}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_long_has_room_until_it_is_let_go() {
    let room = Room::new(shares(2 * MOST));
    let bodies = Bodies::with_room(MOST, room.clone());
    let none = HeaderMap::new();
    let short = bodies
        .read(&none, pieces(1, UNCHARGED), None, || standing(true))
        .await;
    assert_eq!((word(&short), room.taken()), ("whole", 0));
    let long = bodies
        .read(&none, pieces(1, MOST), None, || standing(true))
        .await;
    assert_eq!((word(&long), room.taken()), ("whole", MOST));
    let Ok(Read::Whole(bytes, scan)) = long else {
        panic!("{}", word(&long))
    };
    assert!(Judged::Scanned(&scan) != Judged::Absent);
    let held = room.taken();
    let other = bodies
        .read(&none, pieces(1, MOST), None, || standing(true))
        .await;
    assert_eq!(room.taken(), 2 * held);
    let third = bodies
        .read(&none, pieces(1, MOST), None, || standing(true))
        .await;
    assert_eq!(word(&third), "no room");
    let sent = bytes.clone();
    drop((bytes, other));
    assert_eq!(room.taken(), held);
    drop(sent);
    assert_eq!(room.taken(), 0);
}

/// A caller with a credential finds room, however many unfinished bodies strangers hold.
#[tokio::test(start_paused = true)]
async fn strangers_share_a_small_room_of_their_own() {
    let room = Room::new(Shares::DEFAULT);
    let bodies = Bodies::with_room(MOST, room.clone());
    let none = HeaderMap::new();
    let from = |address: [u8; 4]| Some(SocketAddr::from((address, 1)));
    let mut held = Vec::new();
    for host in 1..=3 {
        let caller = from([192, 0, 2, host]);
        let fits = match host {
            3 => 0,
            _ => STRANGERS_SHARES.address / STRANGERS,
        };
        for number in 0..=fits {
            let read = bodies
                .read(&none, pieces(1, STRANGERS), caller, || standing(false))
                .await;
            let expected = if number < fits { "whole" } else { "no room" };
            assert_eq!(word(&read), expected, "{host} {number}");
            held.push(read);
        }
    }
    assert_eq!(bodies.strangers.taken(), STRANGERS_SHARES.process);
    assert_eq!(room.taken(), 0);
    // A stranger's short body needs no room.
    let caller = from([192, 0, 2, 1]);
    let short = bodies
        .read(&none, pieces(1, UNCHARGED), caller, || standing(false))
        .await;
    assert_eq!(word(&short), "whole");
    let known = bodies
        .read(&none, pieces(1, MOST), caller, || standing(true))
        .await;
    assert_eq!((word(&known), room.taken()), ("whole", MOST));
    drop((held, known));
    assert_eq!((bodies.strangers.taken(), room.taken()), (0, 0));
}

/// A buffer that doubles past the end of its body would take twice the room.
#[tokio::test(start_paused = true)]
async fn a_body_takes_no_more_than_it_says_and_none_before_it_comes() {
    let room = Room::new(Shares::DEFAULT);
    let bodies = Bodies::with_room(MOST, room.clone());
    let length = MOST / 2 + 1024;
    let says = headers(CONTENT_LENGTH, &length.to_string());
    let whole = bodies
        .read(&says, pieces(length / 1024, 1024), None, || standing(true))
        .await;
    assert_eq!((word(&whole), room.taken()), ("whole", length));
    for (capacity, length, most, expected) in [
        (0, 10, MOST, 10),
        (10, 11, MOST, 20),
        (3000, 3001, MOST, UNCHARGED),
        (3000, 3001, 3500, 3500),
        (UNCHARGED, UNCHARGED + 1, MOST, 2 * UNCHARGED),
        (MOST / 2 + 1, MOST / 2 + 2, MOST, MOST),
        (100, 50, MOST, 100),
        // This body is longer than its declared length.
        (10, 30, 20, 30),
    ] {
        let room = grown(capacity, length, most);
        assert_eq!(room, expected, "{capacity} {length} {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_or_crawls_is_given_up() {
    let bodies = Bodies::new(MOST);
    let none = HeaderMap::new();
    let begun = Instant::now();
    let never = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    assert_eq!(
        word(&bodies.read(&none, never, None, || standing(true)).await),
        "broken"
    );
    let crawling = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b" "))),
            (),
        ))
    });
    let read = bodies
        .read(&none, StreamBody::new(Box::pin(crawling)), None, || {
            standing(true)
        })
        .await;
    assert_eq!(word(&read), "broken");
    assert!(begun.elapsed() <= 3 * DEADLINE);
}
