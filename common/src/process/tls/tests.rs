//! Real handshakes over loopback, with certificates of an authority that is thrown away.

mod chain;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use super::{throwaway::Authority, *};
use crate::clock::{Clock, SystemClock, UnixMillis};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The files of a server and of its clients.
struct House {
    authority: Authority,
    dir: TempDir,
}

impl House {
    fn new() -> Self {
        let house = Self {
            authority: Authority::new("a test").unwrap(),
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::write(house.path("ca.pem"), house.authority.pem()).unwrap();
        house.issue("server", &["localhost", "127.0.0.1"], DAY);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn issue(&self, name: &str, names: &[&str], valid: Duration) {
        self.write(name, self.authority.issue(names, valid).unwrap());
    }

    /// Issues a certificate that ended an hour ago.
    fn issue_ended(&self, name: &str, names: &[&str]) {
        let end = UnixMillis(SystemClock.unix().0 - 3_600_000);
        self.write(name, self.authority.issue_until(names, end).unwrap());
    }

    fn write(&self, name: &str, issued: throwaway::Issued) {
        let certificate = self.path(&format!("{name}.pem"));
        let key = self.path(&format!("{name}.key"));
        issued.write(&certificate, &key).unwrap();
    }

    fn files(&self, client_optional: Option<bool>) -> ServerFiles {
        ServerFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: client_optional.map(|_| self.path("ca.pem")),
            client_optional: client_optional.unwrap_or_default(),
        }
    }

    fn server(&self, client_optional: Option<bool>) -> Arc<ServerTls> {
        Arc::new(ServerTls::new(&self.files(client_optional)).unwrap())
    }

    /// A client that shows this certificate.
    fn client(&self, own: Option<&str>) -> ClientTls {
        let own = own.map(|name| {
            let file = |end| self.path(&format!("{name}.{end}"));
            (file("pem"), file("key"))
        });
        let files = ClientFiles {
            ca: Some(self.path("ca.pem")),
            own,
        };
        ClientTls::new(&files, &ClientFlags::OF_SERVER).unwrap()
    }
}

/// Connects once, and returns whom the server found at the other end.
async fn shake(
    server: &Arc<ServerTls>,
    client: &ClientTls,
    host: &str,
) -> Result<Option<Arc<Identity>>, String> {
    shake_by(server, client, host, Alpn::Http2).await
}

async fn shake_by(
    server: &Arc<ServerTls>,
    client: &ClientTls,
    host: &str,
    alpn: Alpn,
) -> Result<Option<Arc<Identity>>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(server);
    let accepted = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let (mut stream, identity) = server.accept(socket, Alpn::Http2).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        // The client ends the connection.
        let _ = stream.read(&mut [0]).await;
        Ok::<_, std::io::Error>(identity)
    });
    let socket = TcpStream::connect(address).await.unwrap();
    // A client of TLS 1.3 learns only by reading that its certificate was refused.
    let read = async {
        let mut stream = client.connect(socket, host, alpn).await?;
        stream.read_u8().await
    };
    let read = read.await.map_err(|error| error.to_string());
    let accepted = accepted.await.unwrap().map_err(|error| error.to_string());
    read.and(accepted)
}

#[tokio::test]
async fn a_client_trusts_its_authority_alone_and_the_name_that_it_called() {
    let house = House::new();
    let server = house.server(None);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(shake(&server, &house.client(None), host).await, Ok(None));
    }
    let wrong = shake(&server, &house.client(None), "example.org").await;
    assert!(wrong.unwrap_err().contains("not valid for name"));
    let stranger = House::new();
    let refused = shake(&server, &stranger.client(None), "localhost").await;
    assert!(refused.unwrap_err().contains("certificate"));
    house.issue_ended("server", &["localhost"]);
    let ended = shake(&house.server(None), &house.client(None), "localhost").await;
    assert!(ended.unwrap_err().contains("expired"));
}

#[tokio::test]
async fn a_client_certificate_is_verified_and_names_its_holder() {
    let house = House::new();
    house.issue("hub", &["spiffe://x/hub", "hub.x"], DAY);
    house.issue_ended("old", &["old.x"]);
    let stranger = House::new();
    stranger.issue("hub", &["spiffe://x/hub"], DAY);
    for optional in [false, true] {
        let server = house.server(Some(optional));
        let identity = shake(&server, &house.client(Some("hub")), "localhost").await;
        let identity = identity.unwrap().unwrap();
        assert!(identity.has("uri:spiffe://x/hub") && identity.has("dns:hub.x"));
        assert!(!identity.has("dns:x"));
        assert!(
            shake(&server, &house.client(Some("old")), "localhost")
                .await
                .is_err()
        );
        // The stranger trusts the server, which must not trust the stranger.
        let forged = ClientFiles {
            ca: Some(house.path("ca.pem")),
            own: Some((stranger.path("hub.pem"), stranger.path("hub.key"))),
        };
        let forged = ClientTls::new(&forged, &ClientFlags::OF_SERVER).unwrap();
        assert!(shake(&server, &forged, "localhost").await.is_err());
        let without = shake(&server, &house.client(None), "localhost").await;
        assert_eq!(without.is_ok(), optional, "{without:?}");
    }
}

#[tokio::test]
async fn only_the_listeners_protocol_is_spoken() {
    let house = House::new();
    let server = house.server(None);
    let other = shake_by(&server, &house.client(None), "localhost", Alpn::Http1).await;
    assert!(other.is_err());
}

/// Waits until a condition holds, for a bounded number of tries.
async fn becomes<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    for _ in 0..1000 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn changed_files_are_in_force_and_broken_ones_are_not() {
    let house = House::new();
    let server = house.server(None);
    let (hurry, stop) = (watch::Sender::new(0), CancellationToken::new());
    let follow = Arc::clone(&server).follow(hurry.subscribe(), stop.clone());
    let followed = tokio::spawn(follow);
    let new = House::new();
    let client = new.client(None);
    assert!(shake(&server, &client, "localhost").await.is_err());

    // A certificate without its key changes nothing, and so does no certificate at all.
    std::fs::copy(new.path("server.pem"), house.path("server.pem")).unwrap();
    hurry.send_modify(|n| *n += 1);
    becomes("the broken files are reported", async || server.is_broken()).await;
    assert!(
        shake(&server, &house.client(None), "localhost")
            .await
            .is_ok()
    );

    std::fs::copy(new.path("server.key"), house.path("server.key")).unwrap();
    hurry.send_modify(|n| *n += 1);
    becomes("the new files are in force", async || {
        shake(&server, &client, "localhost").await.is_ok()
    })
    .await;
    assert!(!server.is_broken());
    stop.cancel();
    followed.await.unwrap();
}

/// A ticket of a client whose authority is no longer trusted must not bring it back.
#[tokio::test]
async fn no_session_outlives_its_authority() {
    let house = House::new();
    house.issue("hub", &["hub.x"], DAY);
    let server = house.server(Some(false));
    let (hurry, stop) = (watch::Sender::new(0), CancellationToken::new());
    let followed = tokio::spawn(Arc::clone(&server).follow(hurry.subscribe(), stop.clone()));
    let client = house.client(Some("hub"));
    for _ in 0..2 {
        assert!(shake(&server, &client, "localhost").await.is_ok());
    }
    assert_eq!(server.shaken("resumed"), 1, "the client has a ticket");
    let other = Authority::new("another").unwrap();
    std::fs::write(house.path("ca.pem"), other.pem()).unwrap();
    hurry.send_modify(|n| *n += 1);
    becomes("the old client is refused", async || {
        shake(&server, &client, "localhost").await.is_err()
    })
    .await;
    stop.cancel();
    followed.await.unwrap();
}

/// The client's certificate is verified in the first handshake only. Its end is judged in each.
#[tokio::test]
async fn no_session_outlives_its_certificate() {
    let house = House::new();
    house.issue("hub", &["hub.x"], Duration::from_secs(2));
    let server = house.server(Some(false));
    let client = house.client(Some("hub"));
    for _ in 0..2 {
        assert!(shake(&server, &client, "localhost").await.is_ok());
    }
    assert_eq!(server.shaken("resumed"), 1, "the client has a ticket");
    becomes("the ended client is refused", async || {
        shake(&server, &client, "localhost").await.is_err()
    })
    .await;
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_its_flag_and_without_its_content() {
    let house = House::new();
    let wrong = |files: &ServerFiles| ServerTls::new(files).err().unwrap().to_string();
    let files = house.files(Some(false));
    for (flag, change) in [
        ("--tls-certificate", "server.pem"),
        ("--tls-key", "server.key"),
        ("--tls-client-ca", "ca.pem"),
    ] {
        let path = house.path(change);
        let whole = std::fs::read(&path).unwrap();
        for text in ["", "precious", "-----BEGIN CERTIFICATE-----\nprecious\n"] {
            std::fs::write(&path, text).unwrap();
            let told = wrong(&files);
            assert!(told.starts_with(flag), "{told}");
            assert!(
                told.contains(change) && !told.contains("precious"),
                "{told}"
            );
        }
        std::fs::remove_file(&path).unwrap();
        assert!(wrong(&files).starts_with(flag));
        std::fs::write(&path, whole).unwrap();
    }
    house.issue("other", &["localhost"], DAY);
    let mixed = ServerFiles {
        key: house.path("other.key"),
        ..files
    };
    let told = wrong(&mixed);
    assert!(
        told.contains("--tls-key") && told.contains("does not go with"),
        "{told}"
    );
}

/// A leaf among the authorities could issue certificates of any name, by its own holder's key.
#[test]
fn no_leaf_is_taken_for_an_authority() {
    let house = House::new();
    house.issue("hub", &["hub.x"], DAY);
    let leaf = std::fs::read(house.path("hub.pem")).unwrap();
    let both = [leaf.clone(), house.authority.pem().into_bytes()].concat();
    for text in [leaf, both] {
        std::fs::write(house.path("ca.pem"), text).unwrap();
        let told = ServerTls::new(&house.files(Some(false))).err().unwrap();
        assert_eq!(told.flag, "--tls-client-ca");
        assert!(told.rule.contains("no authority's"), "{told}");
    }
}

/// A parser that quotes a line of the file would quote the key.
#[test]
fn a_key_in_a_broken_file_is_told_nowhere() {
    let house = House::new();
    let path = house.path("server.pem");
    let key = std::fs::read_to_string(house.path("server.key")).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap() + &key.replace('\n', "");
    std::fs::write(&path, &whole).unwrap();
    let told = ServerTls::new(&house.files(None))
        .err()
        .unwrap()
        .to_string();
    let secret = key.lines().nth(1).unwrap();
    let bytes = format!("{:?}", &secret.as_bytes()[..8]);
    let bytes = bytes.trim_matches(['[', ']']);
    assert!(!told.contains(secret) && !told.contains(bytes), "{told}");
    assert!(told.contains("it is not PEM"), "{told}");
}

/// rustls joins a hello of up to 64 KiB, and each connection of a stranger could hold one.
#[tokio::test]
async fn a_long_hello_is_cut_off() {
    use crate::process::{
        ListenAddress,
        admission::{Admission, Protocol, incoming},
    };
    let house = House::new();
    let any: ListenAddress = "127.0.0.1:0".parse().unwrap();
    let listener = any.bind().unwrap().with_tls(Some(&house.server(None)));
    let address = listener.address().unwrap().to_string();
    let accepted = incoming(listener, Admission::new(8, None), Protocol::Http1).unwrap();
    let serving = tokio::spawn(async move {
        let mut accepted = std::pin::pin!(accepted);
        futures_util::StreamExt::next(&mut accepted).await
    });
    let mut stream = TcpStream::connect(&address).await.unwrap();
    // Records of a hello of 65,000 bytes, of which the end never comes (RFC 8446, sections 4 and 5.1).
    let mut hello = vec![1, 0, 0xfd, 0xe8];
    hello.resize(60_000, 0);
    let mut sent = Ok(());
    for part in hello.chunks(16_000) {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        let record = [&[22, 3, 1], &length[..], part].concat();
        sent = sent.and(stream.write_all(&record).await);
    }
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await;
    let read = read.expect("the connection ends long before the time for a handshake is over");
    assert!(sent.is_err() || !matches!(read, Ok(64)), "{read:?}");
    serving.abort();
}
