//! Decides which feed is followed, which settings it needs and which it refuses. It must not know how a
//! feed is read.

use std::path::PathBuf;

use hyper::Uri;
use tokenward_common::process::{
    Secret,
    listen::url_permitted,
    secret_url::with_password,
    settings::{Mistakes, rules::required},
};

use super::{args::Args, host::Host};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeedSource {
    /// A Redis URL, with the password in it if there is one.
    Redis(Secret),
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
    let mut url = url?;
    if let Some(path) = &args.feed_password_file {
        let whole = read(path).and_then(|password| with_password(url.expose(), &password));
        url = Secret::new(m.take("--feed-password-file", whole)?);
    }
    let scheme = url
        .expose()
        .split_once("://")
        .map_or("", |(scheme, _)| scheme);
    match scheme {
        "redis" | "rediss" | "http" | "https" => {
            // The URL may hold a password, so no message repeats it.
            let uri = url.expose().parse::<Uri>();
            m.take("--feed", uri.map_err(|_| "not a URL".into()))?;
        }
        "redis+unix" => {}
        _ => {
            let rule = "neither redis://… nor http://issuer:port, nor one of them over TLS (rediss, https)";
            m.take("--feed", Err::<(), _>(rule.into()))?;
        }
    }
    if scheme != "redis+unix" {
        m.check("--feed", url_permitted(url.expose(), args.plaintext));
    }
    let grpc = matches!(scheme, "http" | "https");
    match credential {
        None if grpc && args.tls.peer_certificate.is_none() => {
            let rule =
                "required when --feed is an issuer, unless --peer-certificate says who follows";
            m.take("--feed-credential-file", Err(rule.into()))
        }
        Some(_) if !grpc => {
            let rule = "only for an issuer's feed; for Redis give --feed-password-file";
            m.take("--feed-credential-file", Err(rule.into()))
        }
        None if !grpc => Some(FeedSource::Redis(url)),
        credential => Some(FeedSource::Grpc {
            issuer: url.expose().parse().ok()?,
            credential: match credential {
                Some(read) => Some(Secret::new(read?)),
                None => None,
            },
        }),
    }
}
