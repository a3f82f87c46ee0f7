//! A feed as an issuer serves it and a verifier reads it over a network: the programs' own listener and
//! connector, with certificates at both ends. It must not know what is fed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokenward_common::{
    process::{
        admission::{Admission, Patience, Protocol, incoming},
        listen::ListenAddress,
        tls::{
            ClientFiles, ClientFlags, ClientTls, Connector, ServerFiles, ServerTls,
            throwaway::Authority,
        },
    },
    store::{
        Feed, FeedError,
        grpc::{Credential, GrpcFeed},
    },
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Server};

use super::{Scripted, Serving, credential, service};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HANDSHAKE: Duration = Duration::from_secs(5);

/// An authority, and the files of a server and of a client that it signed.
pub(super) struct House {
    dir: TempDir,
}

impl House {
    pub(super) fn new() -> Self {
        let house = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let authority = Authority::new("a house").unwrap();
        std::fs::write(house.file("ca.pem"), authority.pem()).unwrap();
        for (name, of) in [("server", "127.0.0.1"), ("client", "verifier.test")] {
            let issued = authority.issue(&[of], DAY).unwrap();
            let [certificate, key] = house.pair(name);
            issued.write(&certificate, &key).unwrap();
        }
        house
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn pair(&self, name: &str) -> [PathBuf; 2] {
        ["pem", "key"].map(|end| self.file(&format!("{name}.{end}")))
    }

    /// The files of a client that trusts this house, and shows the certificate of another or none.
    fn client(&self, shown_by: Option<&Self>) -> ClientFiles {
        ClientFiles {
            ca: Some(self.file("ca.pem")),
            own: shown_by.map(|house| house.pair("client").into()),
        }
    }

    pub(super) fn serve(&self, feed: Arc<dyn Feed>, credential: Credential) -> Serving {
        self.serve_to(&self.client(Some(self)), feed, credential)
    }

    fn serve_to(
        &self,
        client: &ClientFiles,
        feed: Arc<dyn Feed>,
        credential: Credential,
    ) -> Serving {
        let [certificate, key] = self.pair("server");
        let tls = ServerTls::new(&ServerFiles {
            certificate,
            key,
            client_ca: Some(self.file("ca.pem")),
            client_optional: false,
        });
        let address: ListenAddress = "127.0.0.1:0".parse().unwrap();
        let listener = address.bind().unwrap();
        let listener = listener.with_tls(Some(&Arc::new(tls.unwrap())));
        let url = format!("https://{}", listener.address().unwrap());
        let protocol = Protocol::Http2(Patience::DEFAULT);
        let incoming = incoming(listener, Admission::new(64, Some(64)), protocol).unwrap();
        let stopping = CancellationToken::new();
        let server = Server::builder().add_service(service(feed, stopping.clone()));
        let server = async move { server.serve_with_incoming(incoming).await };

        let tls = ClientTls::new(client, &ClientFlags::OF_SERVER).unwrap();
        let url = url.parse().unwrap();
        let (endpoint, connector) = Connector::endpoint(&url, Arc::new(tls), HANDSHAKE);
        let connect = |endpoint: Endpoint| endpoint.connect_with_connector_lazy(connector);
        Serving {
            feed: GrpcFeed::connected(endpoint, credential, connect),
            stopping,
            task: tokio::spawn(server).abort_handle(),
        }
    }
}

/// Whoever shows no certificate, or one of another authority, reads nothing, whatever its credential says;
/// and nobody reads from a server of another authority.
#[tokio::test]
async fn both_ends_are_known_to_each_other() {
    let (ours, theirs) = (House::new(), House::new());
    let head = async |client: &ClientFiles| {
        let serving = ours.serve_to(client, Arc::new(Scripted(None)), credential());
        serving.feed.head().await
    };
    assert_eq!(
        head(&ours.client(Some(&ours))).await.unwrap(),
        Scripted::head()
    );
    for stranger in [
        ours.client(None),
        ours.client(Some(&theirs)),
        theirs.client(Some(&ours)),
    ] {
        let told = head(&stranger).await;
        assert!(matches!(told, Err(FeedError::Unavailable(_))), "{told:?}");
    }
}
