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
        /// `None`: the verifier's client certificate says who follows.
        credential: Option<Secret>,
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
        (None, None) => m.take("--feed", Err("required unless --feed-file is given".into())),
        (Some(_), Some(_)) => m.take(
            "--feed",
            Err("must not be given together with --feed-file".into()),
        ),
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
    if !matches!(scheme, "http" | "https") {
        let rule =
            "neither redis://… nor http://issuer:port, nor one of them over TLS (rediss, https)";
        return m.take("--feed", Err(rule.into()));
    }
    // The URL may hold a password, so no message repeats it.
    let uri = url.expose().parse::<Uri>();
    let issuer = m.take("--feed", uri.map_err(|_| "not a URL".into()))?;
    m.check("--feed", url_permitted(url.expose(), args.plaintext));
    let credential = match credential {
        Some(read) => Some(Secret::new(read?)),
        None if args.tls.peer_certificate.is_some() => None,
        None => {
            let rule =
                "required when --feed is an issuer, unless --peer-certificate says who follows";
            return m.take("--feed-credential-file", Err(rule.into()));
        }
    };
    Some(FeedSource::Grpc { issuer, credential })
}
