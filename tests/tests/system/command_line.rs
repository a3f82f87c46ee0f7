//! The `tokenward` command's every verb against real programs: what it prints, how it ends, and that
//! it has happened.

use std::process::{Command, Stdio};

use serde_json::Value;
use tokenward_proto::v1::Role;
use tokenward_tests::house::{
    Ended, Feed, House, Program, Store, Verifier, hub::Corner, level, program, run, word,
};

use crate::site::Site;

/// Bounds that no test outlives: a frozen verifier may still answer all the while.
const ARGS: [&str; 8] = [
    "--bound-read",
    "10m",
    "--bound-write",
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
            format!("http://{}", self.site.issuer().address),
            "--verifier".into(),
            format!("http://{}", self.verifier().address),
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

/// Made, changed, given a new value with and without an overlap, forecast.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_changed_and_rotated() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c1").await;
    let ada = corner.of("ada");
    let scope = format!("model:{}=repo.content.read", corner.of("m-secret"));
    let first = desk.file("first");
    let made = desk.json(&[
        "token",
        "create",
        "--owner",
        &ada,
        "--name",
        "ci",
        "--role",
        "fineGrained",
        "--scope",
        &scope,
        "--expires",
        "10d",
        "--secret-file",
        &first,
    ]);
    let id = made["token"]["id"].as_str().unwrap();
    let old = desk.secret("first");
    desk.is(&corner, &old, &made["revision"], "ALLOW").await;

    let update = |words: &[&str]| {
        let words = [&["token", "update", id, "--wait"], words].concat();
        desk.json(&words)
    };
    let renamed = update(&["--name", "ci-2"]);
    assert_eq!(renamed["token"]["name"], "ci-2");
    assert_eq!(renamed["receipt"]["complete"], true, "{renamed}");
    assert_eq!(renamed["receipt"]["applied"], 2);
    desk.is(&corner, &old, &renamed["revision"], "ALLOW").await;
    let bare = update(&["--clear-scopes"]);
    assert_eq!(bare["token"]["scopes"]["scoped"], Value::Array(Vec::new()));
    assert_eq!(bare["token"]["name"], "ci-2");
    // What it may not see is not there.
    desk.is(&corner, &old, &bare["revision"], "NOT_FOUND").await;
    update(&["--scope", &scope]);
    desk.refused("hub", 2, &["token", "update", id]);
    desk.refused(
        "hub",
        2,
        &["token", "update", id, "--role", "read", "--clear-scopes"],
    );
    desk.refused("revoker", 4, &["token", "update", id, "--name", "x"]);

    // Both values are good; the card says until when.
    let second = desk.file("second");
    let rotate = ["token", "rotate", id, "--overlap", "1h", "--secret-file"];
    let rotated = desk.json(&[&rotate[..], &[&second]].concat());
    assert_eq!(rotated["token"]["id"], id);
    assert_eq!(rotated["secret"], Value::Null);
    let new = desk.secret("second");
    assert_ne!(old, new);
    for secret in [&old, &new] {
        desk.is(&corner, secret, &rotated["revision"], "ALLOW")
            .await;
    }
    let card = desk.text(&["token", "show", id]);
    assert!(card.contains("\nrotated   20"), "{card}");
    assert!(
        card.contains("overlap   the old value is good until"),
        "{card}"
    );
    // A file that exists is left alone, and nothing is rotated.
    desk.refused("hub", 6, &[&rotate[..], &[&second]].concat());
    assert_eq!(desk.secret("second"), new);

    // At once; shown once; the same request gives the same secret.
    let rotate = ["token", "rotate", id, "--request-id", "r1"];
    let rotated = desk.json(&rotate);
    let last = rotated["secret"].as_str().unwrap();
    desk.house().kept().secret(last);
    desk.is(&corner, &old, &rotated["revision"], "TOKEN_REVOKED")
        .await;
    desk.is(&corner, &new, &rotated["revision"], "TOKEN_REVOKED")
        .await;
    desk.is(&corner, last, &rotated["revision"], "ALLOW").await;
    assert_eq!(desk.json(&rotate)["secret"], last);
    desk.refused("hub", 2, &["token", "rotate", id, "--overlap", "8d"]);
    desk.refused("hub", 3, &["token", "rotate", "4711"]);
    let list = desk.text(&["token", "list", "--owner", &ada]);
    assert!(list.contains("ROTATED") && list.contains("ci-2"), "{list}");

    let expiring = |words: &[&str]| {
        let listed = desk.json(&[&["token", "expiring"], words].concat());
        let ids = listed.as_array().unwrap().iter();
        ids.filter(|it| it["id"] == id).count()
    };
    assert_eq!(expiring(&[]), 1);
    assert_eq!(expiring(&["--within", "11d", "--owner", &ada]), 1);
    assert_eq!(expiring(&["--within", "9d"]), 0);
    assert_eq!(expiring(&["--owner", &corner.of("grace")]), 0);
    let forecast = desk.text(&["token", "expiring", "--owner", &ada]);
    assert!(forecast.starts_with("EXPIRES "), "{forecast}");
    desk.refused("hub", 3, &["token", "expiring", "--owner", "nobody"]);
}

/// One, all of an owner's, and what leaked; with receipts that are true when they are printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_have_receipts() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c2").await;
    let issuer = desk.site.issuer();
    let (ada, id_of_ada) = (corner.of("ada"), corner.user_id("ada"));
    let refused_everywhere = async |secret: &str| {
        for verifier in &desk.site.verifiers {
            let answer = verifier.check(&corner.read(secret, "secret")).await;
            assert_eq!(word(&answer), "TOKEN_REVOKED", "{}", verifier.name);
        }
    };
    let one = issuer.mint(&id_of_ada, "one", Role::Read).await;
    desk.site
        .all(&corner.read(&one.secret, "secret"), &one.revision, "ALLOW")
        .await;
    let told = desk.text(&["token", "revoke", &one.id, "--wait"]);
    refused_everywhere(&one.secret).await;
    assert!(
        told.contains("\nrefused by 2 of 2 verifiers, slowest "),
        "{told}"
    );
    // Again is harmless; without --wait there is no receipt.
    let again = desk.json(&["token", "revoke", &one.id]);
    assert_eq!(again["receipt"], Value::Null);
    assert_eq!(again["token"]["state"], "revoked");
    let again = desk.json(&["token", "revoke", &one.id, "--wait", "30s"]);
    assert_eq!(again["receipt"]["verifiers"][1]["state"], "applied");

    // What leaked, and what is none of ours.
    let leaked = issuer.mint(&id_of_ada, "leaked", Role::Read).await;
    let safe = issuer.mint(&id_of_ada, "safe", Role::Read).await;
    let mut lines = format!("hf_nonsense\n\n  {}\r\n", leaked.secret);
    lines.push_str(&safe.secret[..safe.secret.len() - 1]);
    std::fs::write(desk.file("leaked"), lines).unwrap();
    let told = desk.text(&[
        "token",
        "revoke",
        "--wait",
        "10s",
        "--value-file",
        &desk.file("leaked"),
    ]);
    refused_everywhere(&leaked.secret).await;
    assert!(told.contains("refused by 2 of 2 verifiers"), "{told}");
    assert!(told.starts_with("sent      3 strings"), "{told}");
    // The answer is the same of nothing, from standard input too.
    std::fs::write(desk.file("nothing"), "a\nb\nc\n").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"file=$1; shift; exec "$@" < "$file""#, "sh"])
        .arg(desk.file("nothing"))
        .arg(program("tokenward"))
        .args(["token", "revoke", "--value-file", "-"])
        .args(desk.whereto("revoker"));
    let nothing = run(desk.house().kept(), &mut command);
    assert_eq!(nothing.code, Some(0), "{}", nothing.err);
    let line = |text: &str| text.lines().next().map(str::to_owned);
    assert_eq!(line(&nothing.out), line(&told));
    std::fs::write(desk.file("many"), "x\n".repeat(1001)).unwrap();
    desk.refused(
        "hub",
        2,
        &["token", "revoke", "--value-file", &desk.file("many")],
    );
    desk.refused(
        "minter",
        4,
        &["token", "revoke", "--value-file", &desk.file("leaked")],
    );

    // Nothing without a confirmation.
    let all = ["token", "revoke", "--all", "--owner", &ada];
    let told = desk.refused("hub", 2, &all);
    assert!(told["next"].as_str().unwrap().contains("--yes"), "{told}");
    let question = corner.read(&safe.secret, "secret");
    assert_eq!(word(&desk.verifier().check(&question).await), "ALLOW");
    let told = desk.json(&[&all[..], &["--yes", "--wait"]].concat());
    assert_eq!(told["receipt"]["applied"], 2, "{told}");
    refused_everywhere(&safe.secret).await;
    let later = issuer.mint(&id_of_ada, "later", Role::Read).await;
    desk.site
        .all(
            &corner.read(&later.secret, "secret"),
            &later.revision,
            "ALLOW",
        )
        .await;
    let by_id = [
        "token",
        "revoke",
        "--all",
        "--owner-id",
        &id_of_ada,
        "--yes",
    ];
    let told = desk.json(&by_id);
    desk.is(&corner, &later.secret, &told["revision"], "TOKEN_REVOKED")
        .await;
}

/// A verifier that doesn't say anything is never counted in, and the exit code says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_receipt_is_no_success() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c3").await;
    let token = desk
        .site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    desk.site.verifiers[1].program.signal("-STOP");
    let ended = desk.run("hub", &["token", "revoke", &token.id, "--wait", "500ms"]);
    let again = desk.run(
        "hub",
        &["token", "revoke", &token.id, "--wait", "100ms", "--json"],
    );
    desk.site.verifiers[1].program.signal("-CONT");
    assert_eq!(ended.code, Some(8), "{}{}", ended.out, ended.err);
    assert!(
        ended
            .out
            .contains("refused by 1 of 2 verifiers so far; 1 ("),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("may still answer by an older view"),
        "{}",
        ended.out
    );
    assert!(ended.err.contains("done for good"), "{}", ended.err);
    assert_eq!(again.code, Some(8), "{}", again.err);
    assert_eq!(parse(&again.out)["receipt"]["pending"], 1, "{}", again.out);

    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    issuer.write(corner.operations()).await;
    let credential = file(&house, "hub.credential");
    let ended = house.tokenward(&[
        "keys",
        "withdraw",
        "unknown",
        "--yes",
        "--wait",
        "--issuer",
        &format!("http://{}", issuer.address),
        "--credential-file",
        &credential,
    ]);
    assert_eq!(ended.code, Some(8), "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("no verifier is known to this issuer"),
        "{}",
        ended.out
    );
}

/// Offline, and never the string itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_decoded() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c4").await;
    let issuer = desk.site.issuer();
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    std::fs::write(desk.file("token"), &token.secret).unwrap();
    let decode = |token: &str, more: &[&str]| {
        let token = desk.file(token);
        let args = [&["token", "decode", "--token-file", &token], more].concat();
        let ended = desk.house().tokenward(&args);
        let said = format!("{}{}", ended.out, ended.err);
        desk.house().kept().said("what decode prints", said);
        ended
    };
    let url = format!("http://{}/.well-known/jwks.json", issuer.http);
    let file = desk.file("jwks.json");
    let plain = decode("token", &[]);
    assert_eq!(plain.code, Some(0), "{}", plain.err);
    for line in [
        format!("owner     {}\n", corner.user_id("ada")),
        format!("token     {}\n", token.id),
        "role      read\n".into(),
        "expires   never\n".into(),
        "key       k1\n".into(),
        "signature: not verified\n".into(),
    ] {
        assert!(plain.out.contains(&line), "{line}: {}", plain.out);
    }
    for source in [&url, &file] {
        let verified = decode("token", &["--jwks", source]);
        assert_eq!(verified.code, Some(0), "{}", verified.err);
        assert!(
            verified.out.contains("signature: verified by key k1\n"),
            "{}",
            verified.out
        );
    }
    // One character of the signature is another.
    let mut tampered = token.secret.clone();
    let at = tampered.len() - 40;
    let other = if &tampered[at..=at] == "A" { "B" } else { "A" };
    tampered.replace_range(at..=at, other);
    std::fs::write(desk.file("tampered"), &tampered).unwrap();
    desk.house().kept().secret(&tampered);
    let ended = decode("tampered", &["--jwks", &url]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.out.contains("signature: NOT genuine: the signature"),
        "{}",
        ended.out
    );
    let told = parse(&decode("tampered", &["--jwks", &file, "--json"]).out);
    assert_eq!(told["verified"], false);
    assert_eq!(told["token_id"], token.id.as_str());
    // A realm's keys make no other realm's tokens.
    let stranger = House::new(Store::Embedded);
    let _other = stranger.issuer().await;
    let foreign = self::file(&stranger, "jwks.json");
    let ended = decode("token", &["--jwks", &foreign]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);

    std::fs::write(desk.file("none"), "tw_nonsense").unwrap();
    assert_eq!(decode("none", &[]).code, Some(2));
    for (jwks, code) in [
        ("http://10.0.0.1/jwks.json", 2),
        ("https://ada:secret@127.0.0.1/jwks.json", 2),
        (&desk.file("k1.pem"), 2),
        (&desk.file("nowhere"), 2),
        (&format!("http://{}/nowhere", issuer.http), 5),
    ] {
        let ended = decode("token", &["--jwks", jwks]);
        assert_eq!(ended.code, Some(code), "{jwks}: {}", ended.err);
        assert!(ended.err.contains("--jwks: "), "{}", ended.err);
    }
}

/// From one key to the next by the command alone, and the old one withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_by_command() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c5").await;
    let ada = corner.user_id("ada");
    let issuer = desk.site.issuer();
    let old = issuer.mint(&ada, "old", Role::Read).await;
    let ring = desk.file("ring.json");
    let listed = async |wanted: &str| {
        level("the issuer has the ring", async || {
            let keys = desk.json(&["keys", "list"]);
            let states = keys.as_array().unwrap().iter().map(|key| {
                let text = |name: &str| key[name].as_str().unwrap().to_owned();
                format!("{}={}", text("key_id"), text("state"))
            });
            let states = states.collect::<Vec<_>>().join(" ");
            (states == wanted).then_some(()).ok_or(states)
        })
        .await;
    };
    listed("k1=active").await;
    let rotate =
        |words: &[&str]| desk.json(&[&["keys", "rotate", "--ring", &ring], words].concat());
    let key = desk.file("k2.pem");
    let told = rotate(&["--out", &key, "--kid", "k2"]);
    assert_eq!(told["keys"][1]["state"], "published", "{told}");
    assert_eq!(told["jwk"]["kid"], "k2", "{told}");
    listed("k1=active k2=published").await;
    for verifier in &desk.site.verifiers {
        level("the verifier has the new key", async || {
            let lines = verifier.program.log();
            let has = |line: &String| line.contains("signing keys changed") && line.contains("k2");
            let found = lines.iter().any(has);
            found.then_some(()).ok_or_else(|| "not yet".to_owned())
        })
        .await;
    }
    let told = rotate(&["--activate", "k2"]);
    assert!(told["warning"].as_str().unwrap().contains("only"), "{told}");
    listed("k1=retired k2=active").await;
    let new = issuer.mint(&ada, "new", Role::Read).await;
    for (token, key) in [(&old, "k1"), (&new, "k2")] {
        let shown = desk.json(&["token", "show", &token.id]);
        assert_eq!(shown["key_id"], key);
        let question = corner.read(&token.secret, "secret");
        desk.site.all(&question, &new.revision, "ALLOW").await;
    }
    let told = desk.refused(
        "hub",
        6,
        &["keys", "rotate", "--ring", &ring, "--activate", "k1"],
    );
    assert!(told["message"].as_str().unwrap().contains("retired"));

    desk.refused("hub", 2, &["keys", "withdraw", "k1"]);
    listed("k1=retired k2=active").await;
    desk.refused("minter", 4, &["keys", "withdraw", "k1", "--yes"]);
    let told = desk.text(&["keys", "withdraw", "k1", "--yes", "--wait"]);
    for verifier in &desk.site.verifiers {
        let is = async |secret| word(&verifier.check(&corner.read(secret, "secret")).await);
        assert_eq!(is(&old.secret).await, "TOKEN_KEY_WITHDRAWN");
        assert_eq!(is(&new.secret).await, "ALLOW");
    }
    assert!(told.contains("refused by 2 of 2 verifiers"), "{told}");
    listed("k1=withdrawn k2=active").await;
    let table = desk.text(&["keys", "list"]);
    assert!(table.starts_with("KEY  STATE      PUBLIC\n"), "{table}");
}

/// Who did what, as it was and as it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_is_printed_and_followed() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c6").await;
    let issuer = desk.site.issuer();
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    issuer.revoke(&token.id).await;
    let lines = desk.text(&["audit", "--json"]);
    let events: Vec<Value> = lines.lines().map(parse).collect();
    let methods: Vec<_> = events.iter().map(|it| it["method"].as_str()).collect();
    assert!(
        methods.ends_with(&[
            Some("TokenService/CreateToken"),
            Some("TokenService/RevokeToken")
        ]),
        "{methods:?}"
    );
    let last = events.last().unwrap();
    assert_eq!(last["caller"], "hub");
    assert_eq!(last["token_id"], token.id.as_str());
    let table = desk.text(&["audit", "--since", "1h"]);
    assert!(table.starts_with("TIME  "), "{table}");
    assert_eq!(table.lines().count(), events.len() + 1, "{table}");
    assert_eq!(desk.text(&["audit", "--since", "2100-01-01"]), "");
    desk.refused("minter", 4, &["audit"]);

    let out = desk.file("trail");
    let mut command = Command::new(program("tokenward"));
    command
        .args(["audit", "--follow", "--json", "--since", "1h"])
        .args(desk.whereto("hub"))
        .stdout(Stdio::from(std::fs::File::create(&out).unwrap()));
    let mut follower = Program::start(desk.house().kept(), "audit", command);
    let followed = async |count: usize| {
        level("the trail is followed", async || {
            let text = std::fs::read_to_string(&out).unwrap();
            match text.lines().count() {
                is if is == count => Ok(text),
                other => Err(format!("{other} of {count}")),
            }
        })
        .await
    };
    followed(events.len()).await;
    let later = issuer.mint(&corner.user_id("ada"), "t2", Role::Read).await;
    let text = followed(events.len() + 1).await;
    let last = parse(text.lines().last().unwrap());
    assert_eq!(last["token_id"], later.id.as_str());
    // Ctrl-C is how it ends.
    follower.signal("-INT");
    assert_eq!(follower.ended().await.code(), Some(0));
}

/// To operators that the verifier knows, and to nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_explained() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c7").await;
    let ada = corner.of("ada");
    let secret_file = desk.file("soon");
    let made = desk.json(&[
        "token",
        "create",
        "--owner",
        &ada,
        "--name",
        "soon",
        "--role",
        "read",
        "--expires",
        "1d",
        "--secret-file",
        &secret_file,
    ]);
    let secret = desk.secret("soon");
    desk.is(&corner, &secret, &made["revision"], "ALLOW").await;
    let model = format!("model:{}/secret", corner.of("acme"));
    let check = |permission: &'static str| {
        [
            "check",
            "--explain",
            "--token-file",
            &secret_file,
            "--permission",
            permission,
            &model,
        ]
    };
    let allowed = desk.json(&check("repo.content.read"));
    assert_eq!(allowed["allowed"], true);
    let steps = allowed["explanation"].as_array().unwrap();
    let named = |name: &str| steps.iter().any(|step| step["name"] == name);
    assert!(named("token") && named("revocation"), "{allowed}");
    assert!(allowed["warning"].is_string(), "{allowed}");
    assert!(allowed["principal"]["expire_time"].is_string(), "{allowed}");
    let denied = desk.run("hub", &check("repo.write"));
    assert_eq!(denied.code, Some(1), "{}", denied.err);
    assert!(denied.out.starts_with("DENY "), "{}", denied.out);
    assert!(denied.out.contains("STEP "), "{}", denied.out);
    assert!(denied.out.contains("\nwarning   "), "{}", denied.out);
    let last = denied.out.trim_end().lines().last().unwrap();
    assert!(last.contains(" -> "), "{last}");

    let told = desk.refused("feeder", 4, &check("repo.content.read"));
    let next = told["next"].as_str().unwrap();
    assert!(next.contains("--operators"), "{told}");
    // The plain question is answered without a word of it.
    let plain = [
        &check("repo.content.read")[..1],
        &check("repo.content.read")[2..],
    ]
    .concat();
    assert_eq!(desk.json(&plain)["explanation"], Value::Null);
}

/// What shells and `man` are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shells_and_man_know_the_commands() {
    let house = House::new(Store::Embedded);
    let script = house.tokenward(&["completions", "bash"]);
    assert_eq!(script.code, Some(0), "{}", script.err);
    let path = house.path("completions.bash");
    std::fs::write(&path, &script.out).unwrap();
    // Bash itself answers for the script.
    let mut command = Command::new("bash");
    command.args([
        "-c",
        r#"source "$0"; COMP_WORDS=(tokenward token rev); COMP_CWORD=2
        _tokenward tokenward rev token; echo "${COMPREPLY[*]}""#,
    ]);
    let completed = run(house.kept(), command.arg(&path));
    assert_eq!(completed.out.trim(), "revoke", "{}", completed.err);

    let out = file(&house, "man1");
    let made = house.tokenward(&["man", "--out", &out]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let page = std::fs::read_to_string(house.path("man1/tokenward-keys-rotate.1")).unwrap();
    assert!(page.contains("three steps"), "{page}");
}
