//! `CheckRequest` read in place, as Envoy writes it: no text is copied. Decides nothing.
//!
//! Of what is read here prost would make the very same, and what it would refuse isn't read here: each
//! text is UTF-8, also of fields that nobody looks at, and no name of a map is there twice.

use super::request::EnvoyRequest;
use crate::protobuf::{Fields, Value, is_text, pair, pair_as_bytes, text};

/// Names in a map, each of which is compared with all before it. Envoy lets 100 headers through, unless
/// told otherwise.
const MOST_NAMES: usize = 128;

/// `None`: for prost to read.
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
            // The proxy's peers, and what it knows of them.
            _ => {}
        }
    }
    let mut http = None;
    let mut fields = Fields::new(request?);
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Bytes(bytes)) => http = Some(bytes),
            (2, _) => return None,
            // The time.
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
            // Id, host, scheme, protocol.
            (1 | 5 | 6 | 10, Value::Bytes(bytes)) if is_text(bytes) => {}
            // The size; and the fragment, which prost isn't told of.
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

/// Of a map's equal names the last would win.
fn once<N: PartialEq, T>(known: &mut Vec<(N, T)>, entry: (N, T)) -> Option<()> {
    let new = known.len() < MOST_NAMES && known.iter().all(|(name, _)| *name != entry.0);
    new.then(|| known.push(entry))
}
