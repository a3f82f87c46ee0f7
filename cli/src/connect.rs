//! Decides which URLs may be called, and how: plain text on loopback only, one deadline per call, the
//! operator credential in the metadata. It knows nothing of the calls themselves.

use std::time::Duration;

use http::Uri;
use tokenward_common::process::{listen::url_permitted, tls::Connector};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
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

/// Connects to the issuer. The connection carries the operator credential, unless a client certificate
/// says who calls.
pub(crate) async fn issuer(global: &Global) -> Result<(Issuer, Server), Failure> {
    connect("--issuer", "the issuer", &global.issuer, global, true).await
}

/// Connects to the verifier. Only an explanation needs the operator credential.
pub(crate) async fn verifier(
    global: &Global,
    operator: bool,
) -> Result<(Verifier, Server), Failure> {
    connect(
        "--verifier",
        "the verifier",
        &global.verifier,
        global,
        operator,
    )
    .await
}

async fn connect(
    option: &str,
    what: &str,
    url: &str,
    global: &Global,
    operator: bool,
) -> Result<(InterceptedService<Channel, Bearer>, Server), Failure> {
    let server = Server {
        name: format!("{what} at {url}"),
        timeout: global.timeout,
    };
    // Refuses a wrong URL before the user is prompted for a secret.
    let uri = parse_url(option, url, global.plaintext)?;
    let tls = global.tls()?;
    let bearer = match operator {
        true => operators(global)?,
        false => Bearer(None),
    };
    let (endpoint, connector) = Connector::endpoint(&uri, tls, global.timeout);
    let endpoint = endpoint
        // An import may be silent while the store is slow; a dead peer must still be noticed.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    let connected = endpoint.connect_with_connector(connector);
    let channel = match tokio::time::timeout(server.timeout, connected).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => return Err(Failure::unreachable(&server.name, &error)),
        Err(_) => return Err(server.late()),
    };
    Ok((InterceptedService::new(channel, bearer), server))
}

/// Reads the operator credential. A caller with a client certificate needs none, and is asked for none.
fn operators(global: &Global) -> Result<Bearer, Failure> {
    match global.client_certificate.is_some() && !OPERATOR.is_set(global.credential_file.as_deref())
    {
        true => Ok(Bearer(None)),
        false => Bearer::new(&OPERATOR.read(global.credential_file.as_deref())?),
    }
}

/// Parses a URL that may have a path, and is called by the same rules as a server.
pub(crate) fn url(option: &str, text: &str, global: &Global) -> Result<Uri, Failure> {
    transport(option, text, global.plaintext)
}

/// Parses a server's address, which may have no path or query.
fn parse_url(option: &str, url: &str, plaintext: bool) -> Result<Uri, Failure> {
    let uri = transport(option, url, plaintext)?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(
            Failure::usage(format!("{option}: must not hold a path or query"))
                .next("give scheme, host and port alone"),
        );
    }
    Ok(uri)
}

/// Parses the address. Messages never repeat the user part of the URL.
fn transport(option: &str, url: &str, plaintext: bool) -> Result<Uri, Failure> {
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
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if url_permitted(url, plaintext).is_ok() => Ok(uri),
        Some("http") if !host.is_empty() => Err(rule(
            "http:// off this machine can be read and changed on its way",
        )
        .next("use https://, or add --plaintext where the network itself is trusted")),
        _ => Err(rule("must begin with https:// or http://")),
    }
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
        let judge = |url: &str, plaintext| {
            let uri = parse_url("--issuer", url, plaintext)?;
            Ok::<_, Failure>(uri.scheme_str() == Some("https"))
        };
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
