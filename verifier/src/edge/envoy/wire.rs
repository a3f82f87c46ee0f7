//! Reads a `CheckRequest` in place, as Envoy writes it, without copying a text. It decides nothing.
//!
//! From every message that is read here prost would make exactly the same, and a message that prost would
//! refuse is not read here. Each text is UTF-8, even in unused fields, and no name occurs twice in a map.

use super::request::EnvoyRequest;
use crate::protobuf::{Fields, Value, is_text, pair, pair_as_bytes, text};

/// A map has at most this many names, since each is compared with all before it. Envoy accepts 100 headers
/// by default.
const MOST_NAMES: usize = 128;

/// `None` means that prost must read the message.
pub(super) fn read(message: &[u8]) -> Option<EnvoyRequest<'_>> {
    let mut fields = Fields::new(message);
    let (1, Value::Bytes(attributes)) = fields.next()?? else {
        return None;
    };
    if fields.next()?.is_some() {
        return None;
    }
    let mut asked = EnvoyRequest::default();
    let mut request = None;
    let mut fields = Fields::repeating(attributes, 10);
    while let Some(field) = fields.next()? {
        match field {
            (4, Value::Bytes(bytes)) => request = Some(bytes),
            (10, Value::Bytes(entry)) => once(&mut asked.extensions, pair(entry)?)?,
            (4 | 10, _) => return None,
            // The other fields describe the proxy's peers.
            _ => {}
        }
    }
    let mut http = None;
    let mut fields = Fields::new(request?);
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Bytes(bytes)) => http = Some(bytes),
            (2, _) => return None,
            // The other field is the time.
            _ => {}
        }
    }
    read_http(http?, &mut asked)?;
    Some(asked)
}

fn read_http<'a>(message: &'a [u8], asked: &mut EnvoyRequest<'a>) -> Option<()> {
    asked.headers.reserve(32);
    let mut fields = Fields::repeating(message, 3);
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Bytes(method)) => asked.method = text(method)?,
            (3, Value::Bytes(entry)) => {
                let (name, value) = pair_as_bytes(entry)?;
                let are_texts = is_text(name) && is_text(value);
                once(&mut asked.headers, (name, value)).filter(|()| are_texts)?;
            }
            (4, Value::Bytes(path)) => asked.path = text(path)?,
            (7, Value::Bytes(query)) => asked.query = text(query)?,
            (11, Value::Bytes(body)) if is_text(body) => asked.text_body = body,
            (12, Value::Bytes(body)) => asked.raw_body = body,
            (13, Value::Bytes(map)) => read_header_map(map, asked)?,
            // These fields are the id, host, scheme and protocol.
            (1 | 5 | 6 | 10, Value::Bytes(bytes)) if is_text(bytes) => {}
            // These fields are the size, and the fragment, which prost's message does not have.
            (9, Value::Number(_) | Value::Long) | (8 | 14.., _) => {}
            _ => return None,
        }
    }
    Some(())
}

fn read_header_map<'a>(message: &'a [u8], asked: &mut EnvoyRequest<'a>) -> Option<()> {
    let mut fields = Fields::repeating(message, 1);
    while let Some(field) = fields.next()? {
        let (1, Value::Bytes(header)) = field else {
            return None;
        };
        let (mut name, mut value, mut raw): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        let mut fields = Fields::new(header);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) if is_text(bytes) => name = bytes,
                (2, Value::Bytes(bytes)) if is_text(bytes) => value = bytes,
                (3, Value::Bytes(bytes)) => raw = bytes,
                _ => return None,
            }
        }
        asked.hear(name, value, raw);
    }
    Some(())
}

/// Adds a new name to a map. An equal name is refused, because prost would take the last one.
fn once<N: PartialEq, T>(known: &mut Vec<(N, T)>, entry: (N, T)) -> Option<()> {
    let new = known.len() < MOST_NAMES && known.iter().all(|(name, _)| *name != entry.0);
    new.then(|| known.push(entry))
}
