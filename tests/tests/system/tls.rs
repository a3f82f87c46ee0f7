//! TLS of programs that run: files are replaced under open connections, a certificate stands for a
//! credential, and nothing is spoken in plain text beside it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokenward_common::process::tls::{
    ClientFiles, ClientFlags, ClientTls, Connector, throwaway::Authority,
};
use tokenward_proto::v1::{
    ListTokensRequest, User, WriteRequest, directory_service_client::DirectoryServiceClient,
    operation::Operation as Op, token_service_client::TokenServiceClient,
};
use tokenward_tests::house::{House, Issuer, Program, Store, hub::op, level, program, run};
use tonic::{Code, Status, transport::Channel};

const DAYS: Duration = Duration::from_secs(60 * 24 * 3600);
const HUB: &str = "spiffe://tokens.test/hub";
const FOLLOWER: &str = "verifier.tokens.test";

/// Certificates of an authority of its own, and an issuer that asks for them.
struct Site {
    house: House,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            house: House::new(Store::Embedded),
            authority: Authority::new("the first").unwrap(),
        };
        site.renew(&site.authority);
        for (name, names) in [
            ("hub", HUB),
            ("follower", FOLLOWER),
            ("nobody", "nobody.test"),
        ] {
            let issued = site.authority.issue(&[names], DAYS).unwrap();
            issued
                .write(&site.file(name, "pem"), &site.file(name, "key"))
                .unwrap();
        }
        fs::copy(site.file("ca", "pem"), site.file("clients", "pem")).unwrap();
        site.callers(&[
            ("hub", "uri", HUB, "admin"),
            ("follower", "dns", FOLLOWER, "feed"),
        ]);
        site
    }

    fn file(&self, name: &str, end: &str) -> PathBuf {
        self.house.path(&format!("tls-{name}.{end}"))
    }

    /// Puts the listeners' certificate of this authority in place, and the authority for those that call.
    fn renew(&self, authority: &Authority) {
        let host = self.house.any_port();
        let host = host.trim_end_matches(":0");
        let issued = authority.issue(&["localhost", host], DAYS).unwrap();
        issued
            .write(&self.file("server", "pem"), &self.file("server", "key"))
            .unwrap();
        fs::write(self.file("ca", "pem"), authority.pem()).unwrap();
    }

    /// Replaces the credentials' file by callers that are known by their certificates alone. Each has a
    /// name, the kind of its certificates' names, these names, and a role.
    fn callers(&self, callers: &[(&str, &str, &str, &str)]) {
        let entry = |(name, kind, text, role): &(&str, &str, &str, &str)| {
            let names: Vec<_> = text.split(' ').map(|it| format!("{kind}:{it}")).collect();
            json!({"name": name, "certificates": names, "roles": [role]})
        };
        let entries: Vec<Value> = callers.iter().map(entry).collect();
        let all = json!({ "credentials": entries }).to_string();
        let new = self.house.path("credentials.new");
        fs::write(&new, all).unwrap();
        fs::rename(new, self.house.path("credentials.json")).unwrap();
    }

    /// Starts the issuer, and returns it with its gRPC address.
    fn issuer(&self, more: &[&str]) -> (Program, String) {
        assert_eq!(self.house.make_realm().code, Some(0));
        let any = self.house.any_port();
        let mut command = Issuer::command(&self.house);
        for flag in ["--listen", "--http-listen", "--admin-listen"] {
            command.args([flag, &any]);
        }
        command
            .arg("--tls-certificate")
            .arg(self.file("server", "pem"));
        command.arg("--tls-key").arg(self.file("server", "key"));
        command
            .arg("--tls-client-ca")
            .arg(self.file("clients", "pem"));
        command.args(more);
        let program = Program::start(self.house.kept(), "issuer", command);
        let address = program.event("serving")["listen"]
            .as_str()
            .unwrap()
            .to_owned();
        (program, address)
    }

    fn client(&self, own: Option<&str>) -> Arc<ClientTls> {
        let files = ClientFiles {
            ca: Some(self.file("ca", "pem")),
            own: own.map(|name| (self.file(name, "pem"), self.file(name, "key"))),
        };
        Arc::new(ClientTls::new(&files, &ClientFlags::OF_SERVER).unwrap())
    }

    /// Connects anew, as the holder of this certificate.
    fn channel(&self, address: &str, own: Option<&str>) -> Channel {
        let url = format!("https://{address}").parse().unwrap();
        let limit = Duration::from_secs(10);
        let (endpoint, connector) = Connector::endpoint(&url, self.client(own), limit);
        endpoint.connect_with_connector_lazy(connector)
    }
}

/// Asks what only a caller with a role may ask.
async fn ask(channel: &Channel) -> Result<(), Status> {
    let request = ListTokensRequest {
        owner_id: "u-nobody".into(),
        ..ListTokensRequest::default()
    };
    let answer = TokenServiceClient::new(channel.clone())
        .list_tokens(request)
        .await;
    match answer {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        other => other.map(drop),
    }
}

async fn becomes_able(channel: &Channel) {
    level("the caller is known", async || {
        ask(channel).await.map_err(|status| status.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_a_credential_until_its_name_is_taken_out() {
    let site = Site::new();
    let (_issuer, address) = site.issuer(&[]);
    let hub = site.channel(&address, Some("hub"));
    becomes_able(&hub).await;
    // One with another role, one that no entry names, and one with none at all.
    let follower = ask(&site.channel(&address, Some("follower")))
        .await
        .unwrap_err();
    assert_eq!(follower.code(), Code::PermissionDenied, "{follower}");
    let nobody = ask(&site.channel(&address, Some("nobody")))
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated, "{nobody}");
    assert!(ask(&site.channel(&address, None)).await.is_err());
    let plain = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    assert!(ask(&plain).await.is_err());

    site.callers(&[("follower", "dns", FOLLOWER, "feed")]);
    level(
        "the same connection's caller is unknown",
        async || match ask(&hub).await {
            Err(status) if status.code() == Code::Unauthenticated => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
}

/// Starts a verifier whose certificate says who follows: no credential is given.
fn follower(site: &Site, issuer: &Program, address: &str) -> Program {
    let http = issuer.event("serving")["http"].as_str().unwrap().to_owned();
    let any = site.house.any_port();
    let mut command = Command::new(program("tokenward-verifier"));
    command.args([
        "--realm",
        site.house.realm(),
        "--issuer",
        "https://tokens.test",
    ]);
    command.args([
        "--feed",
        &format!("https://{address}"),
        "--log-format",
        "json",
    ]);
    command.args(["--jwks", &format!("https://{http}/.well-known/jwks.json")]);
    command.arg("--peer-ca").arg(site.file("ca", "pem"));
    command
        .arg("--peer-certificate")
        .arg(site.file("follower", "pem"));
    command.arg("--peer-key").arg(site.file("follower", "key"));
    command.args(["--listen", &any, "--admin-listen", &any]);
    let verifier = Program::start(site.house.kept(), "verifier", command);
    verifier.event("following");
    verifier.event("signing keys changed");
    verifier
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_follows_by_its_certificate_until_it_is_taken_out() {
    let site = Site::new();
    let (issuer, address) = site.issuer(&[]);
    let verifier = follower(&site, &issuer, &address);
    site.callers(&[("hub", "uri", HUB, "admin")]);
    verifier.event("can't read the log");
}

/// The first certificate has another name than the one that replaces it. That name is taken out before the
/// certificate ends, so from then on the verifier follows by the new one or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_follows_by_its_renewed_certificate_before_the_old_one_ends() {
    const FIRST: &str = "first.tokens.test";
    let site = Site::new();
    let issue = |name: &str, valid: Duration| {
        let issued = site.authority.issue(&[name], valid).unwrap();
        issued
            .write(&site.file("follower", "pem"), &site.file("follower", "key"))
            .unwrap();
    };
    // A connection is made anew a minute before the end, once there is a later certificate. The end itself
    // comes after this test's.
    issue(FIRST, Duration::from_secs(50));
    for end in ["pem", "key"] {
        fs::copy(site.file("follower", end), site.file("first", end)).unwrap();
    }
    let hub = ("hub", "uri", HUB, "admin");
    let both = format!("{FIRST} {FOLLOWER}");
    site.callers(&[hub, ("follower", "dns", &both, "feed")]);
    let (issuer, address) = site.issuer(&[]);
    let verifier = follower(&site, &issuer, &address);
    let admin = &verifier.event("serving")["admin"];
    let admin = admin.as_str().unwrap().to_owned();
    let metric = |name: &str| -> f64 {
        let served = plain(&admin);
        let name = format!("tokenward_verifier_{name} ");
        let value = served.lines().find_map(|line| line.strip_prefix(&name));
        value.expect("it is served").parse().unwrap()
    };
    let reaches = async |what: &str, name: &str, least: f64| {
        level(what, async || match metric(name) {
            value if value >= least => Ok(()),
            value => Err(value.to_string()),
        })
        .await;
    };
    let end = "peer_certificate_expiry_timestamp_seconds";
    let first = metric(end);
    issue(FOLLOWER, DAYS);
    reaches("the new certificate is read", end, first + 1.0).await;
    site.callers(&[hub, ("follower", "dns", FOLLOWER, "feed")]);
    let old = site.channel(&address, Some("first"));
    level("the old name is nobody's", async || match ask(&old).await {
        Err(status) if status.code() == Code::Unauthenticated => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let user = User {
        id: "u-ada".into(),
        name: "ada".into(),
        ..User::default()
    };
    let request = WriteRequest {
        request_id: String::new(),
        operations: vec![op(Op::PutUser(user))],
    };
    let hubs = site.channel(&address, Some("hub"));
    let written = DirectoryServiceClient::new(hubs).write(request).await;
    let written = written.unwrap().into_inner().revision;
    let number = written.rsplit('.').next().unwrap().parse().unwrap();
    reaches("what is written now is followed", "revision", number).await;
    // Without the new name it can't follow.
    site.callers(&[hub]);
    reaches("nothing is followed", "view_age_seconds", 2.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_and_no_connection_is_cut() {
    let site = Site::new();
    let (issuer, address) = site.issuer(&["--tls-client-optional"]);
    let before = site.channel(&address, Some("hub"));
    becomes_able(&before).await;

    // The listeners' certificate is renewed by another authority; clients stay those of the first.
    let second = Authority::new("the second").unwrap();
    site.renew(&second);
    let after = || site.channel(&address, Some("hub"));
    level("a new client trusts the new certificate", async || {
        ask(&after()).await.map_err(|status| status.to_string())
    })
    .await;
    assert!(ask(&before).await.is_ok(), "the open connection stays");

    // The admin endpoint speaks plain text, for --admin-tls is not set.
    let admin = issuer.event("serving")["admin"]
        .as_str()
        .unwrap()
        .to_owned();
    let metrics = || plain(&admin);
    for name in [
        "tls_files_broken 0",
        "tls_certificate_expiry_timestamp_seconds 1",
        "tls_handshakes_total{outcome=\"full\"}",
    ] {
        let served = metrics();
        assert!(
            served.contains(&format!("tokenward_issuer_{name}")),
            "{name}: {served}"
        );
    }

    // Half a file changes nothing, and is told once.
    fs::write(site.file("server", "pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    let told = issuer.event("the files of TLS can't be used: those before them stand");
    let problem = told["problem"].as_str().unwrap();
    assert!(problem.starts_with("--tls-certificate: "), "{problem}");
    assert!(ask(&after()).await.is_ok() && ask(&before).await.is_ok());
    assert!(metrics().contains("tokenward_issuer_tls_files_broken 1"));
}

/// Scrapes in plain text, whatever this run of the tests speaks.
fn plain(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_listener_off_loopback_needs_tls_or_a_word() {
    let site = Site::new();
    // It is refused before anything is opened: there is no realm.
    let told = |more: &[&str]| {
        let mut command = Issuer::command(&site.house);
        command.args(["--listen", "0.0.0.0:0"]).args(more);
        run(site.house.kept(), &mut command).err
    };
    assert!(told(&[]).contains("--listen: `0.0.0.0:0` is off loopback"));
    let server = site.file("server", "pem").display().to_string();
    let key = site.file("server", "key").display().to_string();
    let files = ["--tls-certificate", &server, "--tls-key", &key];
    let with_tls = told(&files);
    assert!(!with_tls.contains("off loopback"), "{with_tls}");
    let half = told(&["--tls-certificate", &server]);
    assert!(
        half.contains("--tls-key: required beside --tls-certificate"),
        "{half}"
    );
    let admin = told(&[&files[..], &["--admin-listen", "0.0.0.0:0"]].concat());
    assert!(
        admin.contains("--admin-listen: `0.0.0.0:0` is off loopback"),
        "{admin}"
    );
    let optional = told(&[&files[..], &["--tls-client-optional"]].concat());
    assert!(
        optional.contains("--tls-client-optional: needs --tls-client-ca"),
        "{optional}"
    );
}
