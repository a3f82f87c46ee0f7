//! Decides which store URLs there are, and what each may hold. It must not know how a store is opened.

use std::path::{Path, PathBuf};

use tokenward_common::{
    process::{Secret, file, settings::Mistakes},
    store::redis::{RedisArgs, RedisPlace},
};

/// A file with a password may have at most this many bytes.
const MOST_PASSWORD_BYTES: u64 = 64 * 1024;

/// This is where the records and the log are kept.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    Embedded(PathBuf),
    Redis {
        place: Box<RedisPlace>,
        /// The number of data nodes.
        nodes: u8,
    },
}

/// Reads a URL by the rules for `--store`; a mistake names its flag, and never repeats the URL, which may
/// hold a password.
pub fn parse_store(
    text: &Secret,
    redis: &RedisArgs,
    plaintext: bool,
    m: &mut Mistakes,
) -> Option<StoreChoice> {
    let text = text.expose();
    let scheme = text.split(':').next().unwrap_or_default();
    if scheme == "embedded" {
        redis.refuse(m);
        let path = match text.strip_prefix("embedded:") {
            Some(path) if !path.is_empty() => Ok(path),
            _ => Err("embedded: needs a path".into()),
        };
        return m
            .take("--store", path)
            .map(|path| StoreChoice::Embedded(path.into()));
    }
    if !scheme.starts_with("redis") {
        let rule = "must be redis://host:port, one of its variants, or embedded:/path";
        m.check("--store", Err(rule.into()));
        return None;
    }
    let read =
        |path: &Path| file::read_text(path, MOST_PASSWORD_BYTES).map_err(|error| error.to_string());
    let place = redis.place("--store", text, plaintext, read, m)?;
    let nodes = redis.nodes(&place, m)?;
    let place = Box::new(place);
    Some(StoreChoice::Redis { place, nodes })
}

/// Reads who vouches for the settings of a Redis: `true`, its operator.
pub fn is_managed(text: &str) -> Result<bool, String> {
    match text {
        "checked" => Ok(false),
        "managed" => Ok(true),
        _ => Err("must be checked or managed".into()),
    }
}
