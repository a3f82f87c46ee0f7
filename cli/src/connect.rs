//! Decides which URLs may be called, and how: plain text on loopback only, one deadline per call, the
//! operator credential in the metadata. It knows nothing of the calls themselves.

use std::{path::Path, time::Duration};

use http::Uri;
use tokenward_common::process::listen::url_permitted;
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    exit::Failure,
    global::Global,
    secret::{OPERATOR, Secret},
};

pub(crate) type Issuer = InterceptedService<Channel, Bearer>;
pub(crate) type Verifier = InterceptedService<Channel, Bearer>;

/// A server: its name in messages, and how long to wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    name: String,
    timeout: Duration,
}

impl Server {
    /// Runs one unary call within the deadline, which is also sent to the server.
    pub(crate) async fn call<Q, A, F>(
        &self,
        message: Q,
        call: impl FnOnce(Request<Q>) -> F,
    ) -> Result<A, Failure>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        match tokio::time::timeout(self.timeout, call(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failure(&status)),
            Err(_) => Err(self.late()),
        }
    }

    /// Extends the deadline for a call that itself waits for up to `wait`.
    pub(crate) fn patient(&self, wait: Option<Duration>) -> Self {
        Self {
            name: self.name.clone(),
            timeout: self.timeout.saturating_add(wait.unwrap_or_default()),
        }
    }

    pub(crate) fn failure(&self, status: &Status) -> Failure {
        Failure::status(status, &self.name)
    }

    pub(crate) fn late(&self) -> Failure {
        Failure::late(&self.name)
    }
}

/// Connects to the issuer. The connection carries the operator credential.
pub(crate) async fn issuer(global: &Global) -> Result<(Issuer, Server), Failure> {
    let server = Server {
        name: format!("the issuer at {}", global.issuer),
        timeout: global.timeout,
    };
    // Refuses a wrong URL before the user is prompted for a secret.
    let endpoint = endpoint("--issuer", &global.issuer, global)?;
    let bearer = Bearer::new(&OPERATOR.read(global.credential_file.as_deref())?)?;
    let channel = open(endpoint, &server).await?;
    Ok((InterceptedService::new(channel, bearer), server))
}

/// Connects to the verifier. Only an explanation needs the operator credential.
pub(crate) async fn verifier(
    global: &Global,
    operator: bool,
) -> Result<(Verifier, Server), Failure> {
    let server = Server {
        name: format!("the verifier at {}", global.verifier),
        timeout: global.timeout,
    };
    let endpoint = endpoint("--verifier", &global.verifier, global)?;
    let bearer = match operator {
        true => Bearer::new(&OPERATOR.read(global.credential_file.as_deref())?)?,
        false => Bearer(None),
    };
    let channel = open(endpoint, &server).await?;
    Ok((InterceptedService::new(channel, bearer), server))
}

/// Parses a URL that may have a path, by the same rules as [`channel`]. The `bool` is whether it is called
/// over TLS.
pub(crate) fn url(option: &str, text: &str, global: &Global) -> Result<(Uri, bool), Failure> {
    transport(option, text, global.plaintext)
}

/// Connects to the server of this `https://` URL, whatever service it is.
pub(crate) async fn channel(
    option: &str,
    uri: &Uri,
    global: &Global,
) -> Result<(Channel, Server), Failure> {
    let server = Server {
        name: uri.to_string(),
        timeout: global.timeout,
    };
    let endpoint = secure(builder(uri.clone(), global), option, global.ca.as_deref())?;
    Ok((open(endpoint, &server).await?, server))
}

async fn open(endpoint: Endpoint, server: &Server) -> Result<Channel, Failure> {
    match tokio::time::timeout(server.timeout, endpoint.connect()).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => Err(Failure::unreachable(&server.name, &error)),
        Err(_) => Err(Failure::late(&server.name)),
    }
}

fn endpoint(option: &str, url: &str, global: &Global) -> Result<Endpoint, Failure> {
    let (uri, tls) = parse_url(option, url, global.plaintext)?;
    let endpoint = builder(uri, global);
    if tls {
        secure(endpoint, option, global.ca.as_deref())
    } else {
        Ok(endpoint)
    }
}

fn builder(uri: Uri, global: &Global) -> Endpoint {
    Channel::builder(uri)
        .connect_timeout(global.timeout)
        .tcp_nodelay(true)
        // An import may be silent while the store is slow; a dead peer must still be noticed.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
}

#[cfg(feature = "tls")]
fn secure(endpoint: Endpoint, option: &str, ca: Option<&Path>) -> Result<Endpoint, Failure> {
    use tonic::transport::{Certificate, ClientTlsConfig};
    let mut tls = ClientTlsConfig::new().with_native_roots();
    if let Some(path) = ca {
        let pem = std::fs::read(path).map_err(|error| {
            Failure::usage(format!("--ca: {} can't be read: {error}", path.display()))
                .next("give a readable file of PEM certificates")
        })?;
        tls = tls.ca_certificate(Certificate::from_pem(pem));
    }
    endpoint.tls_config(tls).map_err(|error| {
        Failure::usage(format!("{option}: TLS can't be set up: {error}"))
            .next("if --ca is given, does it hold PEM certificates?")
    })
}

#[cfg(not(feature = "tls"))]
fn secure(_: Endpoint, option: &str, _: Option<&Path>) -> Result<Endpoint, Failure> {
    Err(Failure::usage(format!(
        "{option}: this build has no TLS, so https:// can't be called"
    )))
}

/// Parses a server's address, which may have no path or query.
fn parse_url(option: &str, url: &str, plaintext: bool) -> Result<(Uri, bool), Failure> {
    let (uri, tls) = transport(option, url, plaintext)?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(
            Failure::usage(format!("{option}: must not hold a path or query"))
                .next("give scheme, host and port alone"),
        );
    }
    Ok((uri, tls))
}

/// Parses the address, and whether it is called over TLS. Messages never repeat the user part of the URL.
fn transport(option: &str, url: &str, plaintext: bool) -> Result<(Uri, bool), Failure> {
    let rule = |rule: &str| {
        Failure::usage(format!("{option}: {rule}"))
            .next("give a URL such as https://tokens.example.org:8470")
    };
    let uri: Uri = url
        .parse()
        .map_err(|_| rule("must be a URL such as https://tokens.example.org:8470"))?;
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(rule("must not hold a user or password"));
    }
    let host = uri.host().unwrap_or_default();
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") if url_permitted(url, plaintext).is_ok() => false,
        Some("http") if !host.is_empty() => {
            return Err(
                rule("http:// off this machine can be read and changed on its way")
                    .next("use https://, or add --plaintext where the network itself is trusted"),
            );
        }
        _ => return Err(rule("must begin with https:// or http://")),
    };
    Ok((uri, tls))
}

/// Adds the operator credential, if there is one, to each call.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    pub(crate) fn new(credential: &Secret) -> Result<Self, Failure> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", credential.expose())
            .parse()
            .map_err(|_| Failure::usage("the operator credential can't stand in a header"))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        let judge = |url: &str, plaintext| parse_url("--issuer", url, plaintext).map(|it| it.1);
        for url in [
            "http://127.0.0.1:8470",
            "http://127.9.9.9",
            "http://localhost:1",
            "http://[::1]:8470/",
        ] {
            assert!(!judge(url, false).unwrap(), "{url}");
        }
        assert!(judge("https://tokens.example.org", false).unwrap());
        assert!(!judge("http://issuer:8470", true).unwrap());
        for url in [
            "http://issuer:8470",
            "http://10.0.0.1",
            "http://127.0.0.1.example.org",
        ] {
            let failure = judge(url, false).unwrap_err();
            assert!(failure.next.contains("--plaintext"), "{url}: {failure}");
        }
        for url in [
            "",
            "issuer:8470",
            "ftp://127.0.0.1",
            "http://localhost/x",
            "redis://[::1]",
        ] {
            assert!(judge(url, true).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let failure = parse_url("--issuer", "https://ada:hunter2@host", true).unwrap_err();
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}
