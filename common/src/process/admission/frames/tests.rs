//! Tests of frames, with paused time.

use super::*;
use crate::process::admission::heads::HEAD_BYTES;

fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
    let mut frame = vec![
        0,
        (payload >> 8) as u8,
        payload as u8,
        kind,
        flags,
        0,
        0,
        0,
        1,
    ];
    frame.resize(HEAD_BYTES + payload, 0);
    frame
}

fn begun() -> Frames {
    let mut frames = Frames::new(Patience::DEFAULT);
    frames.read(&[b'x'; PREFACE_BYTES]).unwrap();
    frames
}

async fn quiet(frames: &mut Frames) -> Result<Vec<u8>, Ended> {
    let mut bytes = [0; 64];
    let mut buf = ReadBuf::new(&mut bytes);
    std::future::poll_fn(|cx| frames.poll_quiet(cx, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_each_kind_ends() {
    // The kinds are SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, an unknown one, and empty
    // DATA.
    for (kind, payload) in [(4, 0), (6, 8), (2, 5), (8, 4), (3, 4), (0x42, 3), (0, 0)] {
        let mut frames = begun();
        let one = frame(kind, 0, payload);
        let sent = (0..2 * BURST).take_while(|_| frames.read(&one).is_ok());
        assert_eq!(sent.count(), BURST as usize, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_frames_beside_requests_or_over_time_do_not() {
    let (ping, window) = (frame(6, 0, 8), frame(8, 0, 4));
    let request = [frame(1, 4, 30), frame(0, 1, 90)].concat();
    let mut frames = begun();
    for _ in 0..5 * BURST {
        let all = [&request[..], &ping, &window, &window, &window].concat();
        frames.read(&all).unwrap();
    }
    // A client that takes what it is sent may send two window updates for each 128 bytes.
    let mut frames = begun();
    for _ in 0..5 * BURST {
        frames.written([&[0; 128][..]].into_iter());
        frames.read(&[&window[..], &window].concat()).unwrap();
    }
    // The allowance per second is never used up, even in an hour.
    let mut frames = begun();
    for _ in 0..3600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..PER_SECOND {
            frames.read(&ping).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answering_a_flood_does_not_pay_for_it() {
    let mut frames = begun();
    let ping = frame(6, 0, 8);
    let answered = (0..100 * BURST).take_while(|_| {
        frames.written([&[0; 17][..]].into_iter());
        frames.read(&ping).is_ok()
    });
    assert!(answered.count() < 2 * BURST as usize);
}

#[tokio::test(start_paused = true)]
async fn bytes_come_in_any_pieces() {
    for size in [1, 2, 8, 9, 10, 23, 25, 1000] {
        let mut frames = Frames::new(Patience::DEFAULT);
        let all = [
            &[b'x'; PREFACE_BYTES][..],
            &frame(4, 0, 300),
            &frame(1, 4, 30),
        ]
        .concat();
        for piece in all.chunks(size) {
            frames.read(piece).unwrap();
        }
        assert!(frames.has_calls() && frames.heads.between());
        assert_eq!(frames.left.frames, BURST, "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_and_pings_are_no_life() {
    let begin = Instant::now();
    let mut frames = Frames::new(Patience::DEFAULT);
    assert_eq!(quiet(&mut frames).await, Err(Ended::Silent));
    assert_eq!(begin.elapsed().as_secs(), PREFACE.as_secs());

    let mut frames = begun();
    let begin = Instant::now();
    let mut left = None;
    while left.is_none() {
        frames.read(&frame(6, 0, 8)).unwrap();
        left = tokio::time::timeout(Duration::from_secs(20), quiet(&mut frames))
            .await
            .ok();
    }
    assert_eq!(left, Some(Ok(FAREWELL.to_vec())));
    assert!(begin.elapsed() <= IDLE * 3 / 2);

    // The GOAWAY is put out a little at a time, where there is little room.
    let mut frames = begun();
    let mut told = Vec::new();
    while told.len() < FAREWELL.len() {
        let mut bytes = [0; 5];
        let mut buf = ReadBuf::new(&mut bytes);
        if !frames.put(&mut buf) {
            std::future::poll_fn(|cx| frames.poll_quiet(cx, &mut buf))
                .await
                .unwrap();
        }
        told.extend_from_slice(buf.filled());
    }
    assert_eq!(told, FAREWELL);

    // Nothing can be inserted in the middle of a frame.
    let mut frames = begun();
    frames.read(&frame(1, 4, 30)[..20]).unwrap();
    assert_eq!(quiet(&mut frames).await, Err(Ended::Silent));
    let mut frames = begun();
    frames.read(&frame(1, 0, 30)).unwrap();
    assert_eq!(quiet(&mut frames).await, Err(Ended::Silent));
}

#[tokio::test(start_paused = true)]
async fn requests_are_life() {
    let mut frames = begun();
    for _ in 0..100 {
        frames.read(&frame(1, 5, 30)).unwrap();
        let waited = tokio::time::timeout(IDLE - Duration::from_secs(1), quiet(&mut frames));
        assert!(waited.await.is_err());
    }
}

/// Waits through at most this many spans of silence, and returns the end of the connection.
async fn silent(frames: &mut Frames, spans: usize, mut each: impl FnMut(&mut Frames)) -> Ended {
    let begin = Instant::now();
    loop {
        each(frames);
        match tokio::time::timeout(IDLE / 4, quiet(frames)).await {
            Ok(Err(ended)) => return ended,
            _ => assert!(begin.elapsed() < IDLE / 2 * u32::try_from(spans).unwrap()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_stand_open_in_silence_end_too() {
    // The stream is a silent `Watch`, which a GOAWAY doesn't end.
    let open = [frame(1, 4, 30), frame(0, 1, 9)].concat();
    let mut frames = begun();
    frames.read(&open).unwrap();
    assert_eq!(silent(&mut frames, 6, |_| {}).await, Ended::Silent);
    // The client has sent a GOAWAY first, and pings; the connection still ends.
    let mut frames = begun();
    frames.read(&open).unwrap();
    frames.read(&frame(7, 0, 8)).unwrap();
    let pings = |frames: &mut Frames| frames.read(&frame(6, 0, 8)).unwrap();
    assert_eq!(silent(&mut frames, 6, pings).await, Ended::Silent);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_used_is_left_alone() {
    let answer = frame(0, 0, 100);
    let answered = |frames: &mut Frames| frames.written([&answer[..]].into_iter());
    let piece = |frames: &mut Frames| frames.read(&frame(0, 0, 9)).unwrap();
    for each in [&answered as &dyn Fn(&mut Frames), &piece] {
        let mut frames = begun();
        frames.read(&frame(1, 4, 30)).unwrap();
        let long = tokio::time::timeout(IDLE * 20, async {
            loop {
                each(&mut frames);
                let waited = tokio::time::timeout(IDLE / 4, quiet(&mut frames)).await;
                assert!(!matches!(waited, Ok(Err(_))));
            }
        });
        assert!(long.await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_answer_is_reset_on_both_sides_and_other_streams_are_not() {
    let begin = Instant::now();
    let mut frames = begun();
    for stream in [1, 3] {
        frames.read(&opened(stream)).unwrap();
    }
    // The first stream has used its window up.
    let out = sent(1, 65_535);
    frames.read(&updated(0, 1 << 20)).unwrap();
    frames.written(out.chunks(1000));
    let told = quiet(&mut frames).await.unwrap();
    assert_eq!(told, reset(1, CANCEL));
    assert_eq!(frames.to_client, reset(1, ENHANCE_YOUR_CALM));
    // Bytes before the first look count for it, and three more looks see nothing taken.
    let longest = UNTAKEN * 2 + Duration::from_secs(1);
    let took = begin.elapsed();
    assert!((UNTAKEN..=longest).contains(&took), "{took:?}");
    // In the middle of a client's frame the reset waits. A client that stays there is cut off.
    let mut frames = begun();
    frames.read(&opened(1)).unwrap();
    frames.written([&out[..]].into_iter());
    frames.read(&opened(3)[..12]).unwrap();
    assert_eq!(quiet(&mut frames).await, Err(Ended::Untaken));
}

fn with_id(mut frame: Vec<u8>, stream: u8) -> Vec<u8> {
    frame[8] = stream;
    frame
}

fn opened(stream: u8) -> Vec<u8> {
    with_id(frame(1, 5, 30), stream)
}

/// Returns an unfinished answer, in frames of at most 16,000 bytes.
fn sent(stream: u8, bytes: usize) -> Vec<u8> {
    let mut out = with_id(frame(1, 4, 20), stream);
    for at in (0..bytes).step_by(16_000) {
        out.extend(with_id(frame(0, 0, (bytes - at).min(16_000)), stream));
    }
    out
}

fn updated(stream: u8, by: u32) -> Vec<u8> {
    let mut update = with_id(frame(8, 0, 4), stream);
    update[9..].copy_from_slice(&by.to_be_bytes());
    update
}
