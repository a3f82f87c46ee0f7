//! The `tokenward` command's every verb against real programs: what it prints, how it ends, and that
//! it has happened.

mod break_glass;
mod ends;
mod manual;
mod operators;
mod orgs;
mod takeaway;
mod tokens;

use serde_json::Value;
use tokenward_tests::house::{Ended, Feed, House, Store, Verifier, hub::Corner, tls};

use crate::site::Site;

/// Bounds that no test outlives: a frozen verifier may still answer all the while. The one for writing may
/// not be so long, but the longest counts.
const ARGS: [&str; 6] = [
    "--bound-read",
    "10m",
    "--bound-infer",
    "10m",
    "--jwks-poll",
    "100ms",
];

/// An issuer with a key ring and two verifiers that know the operators; and whoever commands them.
struct Desk {
    site: Site,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new(Store::Embedded);
        let (ring, key) = (file(&house, "ring.json"), file(&house, "k1.pem"));
        let made = house.tokenward(&["keys", "rotate", "--ring", &ring, "--init", "--key", &key]);
        assert_eq!(made.code, Some(0), "{}", made.err);
        let issuer = house.issuer().await;
        let operators = file(&house, "credentials.json");
        let mut args = ARGS.to_vec();
        args.extend(["--operators", &operators]);
        let (one, two) = tokio::join!(
            house.verifier_with(Feed::Grpc(&issuer), &args),
            house.verifier_with(Feed::Grpc(&issuer), &args)
        );
        Self {
            site: Site {
                issuers: vec![issuer],
                verifiers: vec![one, two],
                house,
            },
        }
    }

    fn house(&self) -> &House {
        &self.site.house
    }

    fn verifier(&self) -> &Verifier {
        &self.site.verifiers[0]
    }

    fn file(&self, name: &str) -> String {
        file(self.house(), name)
    }

    /// Everything that says where and who.
    fn whereto(&self, credential: &str) -> [String; 6] {
        [
            "--issuer".into(),
            tls::url(&self.site.issuer().address),
            "--verifier".into(),
            tls::url(&self.verifier().address),
            "--credential-file".into(),
            self.file(&format!("{credential}.credential")),
        ]
    }

    fn run(&self, credential: &str, words: &[&str]) -> Ended {
        let whereto = self.whereto(credential);
        let mut args = words.to_vec();
        args.extend(whereto.iter().map(String::as_str));
        self.house().tokenward(&args)
    }

    /// What is printed for people.
    fn text(&self, words: &[&str]) -> String {
        let ended = self.run("hub", words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}{}", ended.out, ended.err);
        ended.out
    }

    fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        parse(&self.text(&words))
    }

    /// It ends by this code, and says what to do next.
    fn refused(&self, credential: &str, code: i32, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        let ended = self.run(credential, &words);
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.err);
        let told = parse(&ended.err)["error"].clone();
        assert!(told["next"].is_string(), "{words:?}: {told}");
        told
    }

    /// A secret that was written to a file: from now on it may stand nowhere else.
    fn secret(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.file(name)).unwrap();
        let secret = text.trim().to_owned();
        self.house().kept().secret(&secret);
        secret
    }

    async fn is(&self, corner: &Corner, secret: &str, revision: &Value, wanted: &str) {
        let revision = revision.as_str().unwrap();
        self.site
            .all(&corner.read(secret, "secret"), revision, wanted)
            .await;
    }
}

fn file(house: &House, name: &str) -> String {
    house.path(name).display().to_string()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
