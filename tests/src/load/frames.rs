//! The HTTP/2 frames (RFC 9113) that a unary gRPC call needs. These functions do no I/O.

/// Returns the first bytes of a client: the preface, SETTINGS, and a large connection window.
///
/// The settings disable push, let each stream send 1 MiB before a window update, and leave header
/// compression at its default, as real clients do.
pub fn hello() -> Vec<u8> {
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut settings = Vec::new();
    for (id, value) in [(ENABLE_PUSH, 0), (INITIAL_WINDOW, STREAM_WINDOW)] {
        settings.extend_from_slice(&u16::to_be_bytes(id));
        settings.extend_from_slice(&u32::to_be_bytes(value));
    }
    frame(&mut out, SETTINGS, 0, 0, &settings);
    window_update(&mut out, 0, WINDOW - DEFAULT_WINDOW);
    out
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

const ENABLE_PUSH: u16 = 2;
pub const MAX_STREAMS: u16 = 3;
pub const INITIAL_WINDOW: u16 = 4;

/// The initial window of a connection in bytes (RFC 9113).
pub const DEFAULT_WINDOW: u32 = 65_535;
/// The connection window in bytes that the client grants. It is extended again when half is used.
pub const WINDOW: u32 = 1 << 30;
/// The window in bytes that the client grants to one stream.
pub const STREAM_WINDOW: u32 = 1 << 20;

const HEAD: usize = 9;
/// The largest frame in bytes that a server may send, because the client never allows more.
const LARGEST: usize = 16 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

/// Parses the first frame in `bytes`, and returns it with its length. `None`: the frame is incomplete.
pub fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, String> {
    let Some((&[l0, l1, l2, kind, flags, s0, s1, s2, s3], rest)) =
        bytes.split_first_chunk::<HEAD>()
    else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([0, l0, l1, l2])).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Err(format!("a frame of {length} bytes"));
    }
    if matches!(kind, DATA | HEADERS) && flags & PADDED != 0 {
        return Err("a padded frame: not known to this client".into());
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
    Ok(Some((
        Frame {
            kind,
            flags,
            stream,
            payload,
        },
        HEAD + length,
    )))
}

pub fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes().iter().skip(1));
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Writes a WINDOW_UPDATE frame. Stream 0 is the connection.
pub fn window_update(out: &mut Vec<u8>, stream: u32, by: u32) {
    frame(out, WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
}

/// The header blocks of calls to one method. The first block on a connection adds its fields to the
/// server's table, and all later blocks refer to them by index, as gRPC clients do.
#[derive(Clone, Debug)]
pub struct HeaderBlocks {
    pub first: Vec<u8>,
    pub further: Vec<u8>,
}

impl HeaderBlocks {
    pub fn new(path: &str, authority: &str) -> Self {
        // `:method: POST` and `:scheme: http` are in the static table.
        let mut first = vec![0x83, 0x86];
        let fields = [
            (":path", path),
            (":authority", authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ];
        for (name, value) in fields {
            first.push(0x40);
            string(&mut first, name);
            string(&mut first, value);
        }
        // The latest field in the dynamic table has index 62.
        let further = vec![0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62];
        Self { first, further }
    }
}

/// Writes a string literal without Huffman coding (RFC 7541, section 5.2).
fn string(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length) if length < 127 => out.push(length),
        _ => {
            out.push(127);
            let mut rest = text.len().saturating_sub(127);
            while rest >= 128 {
                out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
                rest >>= 7;
            }
            out.push(u8::try_from(rest).unwrap_or(0));
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// Frames a gRPC message: the flag for no compression, the length, the message.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_when_it_is_all_there() {
        let mut bytes = Vec::new();
        frame(&mut bytes, DATA, END_STREAM, 7, b"abc");
        let length = bytes.len();
        bytes.extend(b"more");
        for short in 0..length {
            assert_eq!(parse(&bytes[..short]), Ok(None));
        }
        let expected = Frame {
            kind: DATA,
            flags: END_STREAM,
            stream: 7,
            payload: b"abc",
        };
        assert_eq!(parse(&bytes), Ok(Some((expected, length))));
        assert!(parse(&[0xff; 9]).is_err());
    }

    #[test]
    fn a_long_header_value_has_its_length() {
        let mut out = Vec::new();
        string(&mut out, &"x".repeat(1337));
        // The arithmetic is 1337 - 127 = 1210 = 0b1001_0111010.
        assert_eq!(out[..3], [127, 0b1011_1010, 0b1001]);
        assert_eq!(out.len(), 3 + 1337);
    }
}
