use std::io::Write as _;

use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::*;

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Returns all bytes that were handed on when the input comes in pieces of this size, and whether it was
/// whole.
fn read(bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool), Stop> {
    let (mut gunzip, mut all) = (Gunzip::new(), Vec::new());
    for piece in bytes.chunks(size) {
        gunzip.feed(piece, |piece| {
            assert!(piece.len() <= PIECE);
            all.extend_from_slice(piece);
            true
        })?;
    }
    assert_eq!(gunzip.length(), all.len() as u64);
    Ok((all, gunzip.is_whole()))
}

/// Returns bytes that hardly compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}

#[test]
fn what_comes_out_is_what_went_in_however_it_comes() {
    let noise = noise(200_000);
    let text = "a prompt of some length, ".repeat(20_000);
    for plain in [b"".as_slice(), b"{}", &noise, &text.as_bytes()[..60_000]] {
        let zipped = zipped(plain);
        for size in [1, 2, 7, 4096, usize::MAX] {
            let (all, whole) = read(&zipped, size.min(zipped.len())).unwrap();
            assert!(all == plain && whole, "{size}");
        }
    }
    let mut named = GzBuilder::new()
        .filename("body.json")
        .mtime(7)
        .write(Vec::new(), Compression::best());
    named.write_all(b"{}").unwrap();
    let named = named.finish().unwrap();
    assert_eq!(read(&named, 3), Ok((b"{}".into(), true)));
    // These bytes are stored, not compressed.
    let mut stored = GzEncoder::new(Vec::new(), Compression::none());
    stored.write_all(&noise).unwrap();
    let (all, whole) = read(&stored.finish().unwrap(), 1000).unwrap();
    assert!(all == noise && whole);
}

#[test]
fn what_some_read_otherwise_is_wrong() {
    let one = zipped(b"{\"model\":\"a/b\"}");
    let other = zipped(b" ");
    let changed = |at: usize, byte: u8| {
        let mut bytes = one.clone();
        bytes[at] = byte;
        bytes
    };
    let end = one.len();
    let refused = [
        // Some readers take a second member for the rest, and some ignore it.
        [&one[..], &other].concat(),
        [&one[..], b"\0"].concat(),
        [&one[..], b"x"].concat(),
        [&one[..], b"{}"].concat(),
        changed(0, b'{'),
        changed(1, 0),
        changed(2, 7),
        // These rows set fields of the header.
        changed(3, 1),
        changed(3, 2),
        changed(3, 4),
        changed(3, 16),
        changed(3, 0x80),
        b"{\"model\":\"a/b\"}".to_vec(),
        // Some servers take these bytes for `deflate`.
        one[10..].to_vec(),
        [b"\x78\x9c", &one[10..]].concat(),
        [&one[..10], &[7; 40]].concat(),
        [&[0x1f, 0x8b, 8, 8][..], &[1; 2 * LONGEST_NAME]].concat(),
    ];
    for (number, bytes) in refused.iter().enumerate() {
        for size in [1, 64, bytes.len()] {
            assert_eq!(read(bytes, size), Err(Stop::Wrong), "row {number}");
        }
    }
    // These bodies are cut off anywhere, or have a wrong checksum or length.
    for cut in 0..end {
        let whole = read(&one[..cut], 5).unwrap().1;
        assert!(!whole, "{cut}");
    }
    for (at, byte) in one.iter().enumerate().skip(end - TRAILER) {
        let bytes = changed(at, byte ^ 1);
        assert_eq!(read(&bytes, 64).map(|it| it.1), Ok(false), "{at}");
    }
}

#[test]
fn a_bomb_is_given_up_soon() {
    let bomb = zipped(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 70_000);
    for size in [64, 4096] {
        let (mut gunzip, mut came, mut taken) = (Gunzip::new(), 0, 0);
        let stop = bomb.chunks(size).find_map(|piece| {
            came += piece.len();
            let fed = gunzip.feed(piece, |piece| {
                taken += piece.len();
                true
            });
            fed.err()
        });
        assert_eq!(stop, Some(Stop::Grows));
        assert!(taken as u64 <= GROWTH + FOLD * came as u64);
        assert!(came <= 4096 && taken <= 512 * 1024, "{came} {taken}");
    }
    // A receiver that wants no more gets no more pieces.
    let (mut gunzip, mut pieces) = (Gunzip::new(), 0);
    let stop = gunzip.feed(&zipped(&noise(100_000)), |_| {
        pieces += 1;
        pieces < 2
    });
    assert_eq!((stop, pieces), (Err(Stop::Enough), 2));
}
