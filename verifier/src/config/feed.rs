//! Decides which feed is followed, which settings it needs and which it refuses. It must not know how a
//! feed is read.

use std::path::{Path, PathBuf};

use hyper::Uri;
use tokenward_common::{
    process::{
        Secret,
        listen::url_permitted,
        settings::{Mistakes, rules::required},
    },
    store::redis::RedisPlace,
};

use super::{args::Args, host::Host};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeedSource {
    Redis {
        place: Box<RedisPlace>,
        /// The number of data nodes.
        nodes: u8,
    },
    Grpc {
        issuer: Uri,
        credential: Secret,
    },
}

/// Reads the feed, which is given by flag or by file, not both. A credential is required for gRPC and
/// refused for Redis.
pub(super) fn feed(args: &Args, host: &Host<'_>, m: &mut Mistakes) -> Option<FeedSource> {
    let read = |path: &PathBuf| {
        let text = host.text(path)?;
        required(Some(text.trim().to_owned())).map_err(|_| format!("`{}` is empty", path.display()))
    };
    let url = match (&args.feed, &args.feed_file) {
        (Some(url), None) => Some(url.clone()),
        (None, Some(path)) => m.take("--feed-file", read(path).map(Secret::new)),
        (None, None) => m.take("--feed", Err("required, or --feed-file".into())),
        (Some(_), Some(_)) => m.take("--feed", Err("given twice: also as --feed-file".into())),
    };
    let credential = args
        .feed_credential_file
        .as_ref()
        .map(|path| m.take("--feed-credential-file", read(path)));
    let url = url?;
    let scheme = url
        .expose()
        .split_once("://")
        .map_or("", |(scheme, _)| scheme);
    if scheme.starts_with("redis") {
        if credential.is_some() {
            let rule = "only for an issuer's feed; for Redis give --redis-password-file";
            m.check("--feed-credential-file", Err(rule.into()));
        }
        let read = |path: &Path| host.text(path);
        let redis = &args.redis;
        let place = redis.place("--feed", url.expose(), args.plaintext, read, m)?;
        let nodes = redis.nodes(&place, m)?;
        let place = Box::new(place);
        return Some(FeedSource::Redis { place, nodes });
    }
    args.redis.refuse(m);
    if scheme != "http" {
        let rule = "neither redis://… nor http://issuer:port";
        return m.take("--feed", Err(rule.into()));
    }
    // The URL may hold a password, so no message repeats it.
    let uri = url.expose().parse::<Uri>();
    let issuer = m.take("--feed", uri.map_err(|_| "not a URL".into()))?;
    m.check("--feed", url_permitted(url.expose(), args.plaintext));
    let missing = || Err("required when --feed is an issuer".into());
    let credential = credential.unwrap_or_else(|| m.take("--feed-credential-file", missing()))?;
    Some(FeedSource::Grpc {
        issuer,
        credential: Secret::new(credential),
    })
}
