//! `tokenward dev`: a revocation shown in three lines, started again over what is there, and a start
//! that fails.

use std::{
    fs::{self, File},
    net::TcpListener,
    process::Command,
};

use serde_json::Value;
use tokenward_tests::house::{Ended, House, Program, Redis, Store, http, level, program, run};

/// `tokenward dev`, and what it printed.
struct Dev {
    program: Program,
    told: Value,
}

/// Thirteen ports from there are free, as far as anybody can tell; below those that the system gives to
/// others.
fn port(attempt: u32) -> u32 {
    10_000 + (std::process::id() * 7 + attempt * 13) % 1000 * 20
}

/// Its temporary folder would be in the house's.
fn command(house: &House, port: u32, more: &[&str]) -> Command {
    let mut command = Command::new(program("tokenward"));
    command
        .args(["--json", "dev", "--log-format", "json"])
        .args(["--port", &port.to_string()])
        .args(more)
        .env("TMPDIR", temporary(house));
    command
}

fn temporary(house: &House) -> String {
    let path = house.path("tmp");
    fs::create_dir_all(&path).unwrap();
    path.display().to_string()
}

/// How many folders it has left there.
fn left(house: &House) -> usize {
    fs::read_dir(temporary(house)).unwrap().count()
}

impl Dev {
    async fn start(house: &House, more: &[&str], redis: Option<&str>) -> Self {
        for attempt in 0..50 {
            let mut command = command(house, port(attempt), more);
            command.envs(redis.map(|url| ("TOKENWARD_REDIS", url)));
            let out = house.path(&format!("dev.{attempt}.out"));
            command.stdout(File::create(&out).unwrap());
            let mut program = Program::start(house.kept(), "dev", command);
            let started = level("dev has started", async || {
                let text = fs::read_to_string(&out).unwrap();
                match serde_json::from_str::<Value>(&text) {
                    Ok(told) => Ok(Some(told)),
                    Err(_) if program.log().iter().any(|it| it.contains("in use")) => Ok(None),
                    Err(error) => Err(format!("{error}: {text}{:?}", program.log())),
                }
            })
            .await;
            let Some(told) = started else {
                program.ended().await;
                continue;
            };
            let dev = Self { program, told };
            for file in ["token_file", "credential_file"] {
                if let Some(file) = dev.told[file].as_str() {
                    let secret = fs::read_to_string(file).unwrap();
                    house.kept().secret(secret.trim());
                }
            }
            return dev;
        }
        panic!("no free ports");
    }

    async fn end(mut self, signal: &str) {
        self.program.signal(signal);
        assert_eq!(self.program.ended().await.code(), Some(0));
    }

    fn text(&self, name: &str) -> &str {
        self.told[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {}", self.told))
    }

    fn check(&self, house: &House, more: &[&str]) -> Ended {
        let mut args = vec!["check", "--verifier", self.text("verifier")];
        args.extend(["--token-file", self.text("token_file")]);
        args.extend(["--permission", "repo.content.read", self.text("resource")]);
        args.extend(more);
        house.tokenward(&args)
    }

    fn assert_allowed(&self, house: &House) {
        let allowed = self.check(house, &[]);
        assert_eq!(allowed.code, Some(0), "{}{}", allowed.out, allowed.err);
        assert!(allowed.out.starts_with("ALLOW\n"), "{}", allowed.out);
    }

    fn operator(&self, house: &House, words: &[&str]) -> Ended {
        let mut args = vec!["--json"];
        args.extend(words);
        args.extend(["--issuer", self.text("issuer")]);
        args.extend(["--credential-file", self.text("credential_file")]);
        house.tokenward(&args)
    }

    /// Of ada's tokens, ended ones too: id and state.
    fn listed(&self, house: &House) -> Vec<(String, String)> {
        let listed = self.operator(house, &["token", "list", "--owner", "ada", "--all"]);
        let listed: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        listed
            .iter()
            .map(|it| (text(&it["id"]), text(&it["state"])))
            .collect()
    }

    fn token(&self) -> String {
        fs::read_to_string(self.text("token_file")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_shows_a_revocation_in_three_lines() {
    let house = House::new(Store::Embedded);
    // As a path that must be quoted to be pasted.
    let data = house.path("my hub=1").display().to_string();
    let dev = Dev::start(&house, &["--data", &data], None).await;
    dev.assert_allowed(&house);

    let explain = [
        "--explain",
        "--credential-file",
        dev.text("credential_file"),
    ];
    let explained = dev.check(&house, &explain);
    assert_eq!(explained.code, Some(0), "{}", explained.err);
    assert!(explained.out.contains("revocation"), "{}", explained.out);

    // The lines as they are printed.
    let pasted = |name: &str| {
        let line = dev.told["commands"][name].as_str().unwrap();
        run(house.kept(), Command::new("sh").args(["-c", line]))
    };
    assert_eq!(pasted("check").code, Some(0));
    let whose = pasted("curl");
    assert!(
        whose.out.contains("\"name\":\"ada\""),
        "{}{}",
        whose.out,
        whose.err
    );
    let revoked = pasted("revoke");
    assert_eq!(revoked.code, Some(0), "{}", revoked.err);
    level("the revocation arrives", async || match pasted("check") {
        denied if denied.code == Some(1) => Ok(()),
        early => Err(early.out),
    })
    .await;
    let denied = dev.check(&house, &[]);
    assert!(
        denied.out.starts_with("DENY token_revoked: "),
        "{}",
        denied.out
    );
    let denied = dev.check(&house, &["--json"]);
    assert_eq!(denied.code, Some(1));
    let denied: Value = serde_json::from_str(&denied.out).unwrap();
    assert_eq!(denied["reason"], "token_revoked");

    // Ctrl-C; and again with what it kept: a token that is good.
    let first = dev.text("token_id").to_owned();
    dev.end("-INT").await;
    let dev = Dev::start(&house, &["--data", &data], None).await;
    dev.assert_allowed(&house);
    let (second, value) = (dev.text("token_id").to_owned(), dev.token());
    let revoked = |id: &str| (id.to_owned(), "revoked".to_owned());
    let active = |id: &str| (id.to_owned(), "active".to_owned());
    assert_eq!(dev.listed(&house), [revoked(&first), active(&second)]);
    dev.end("-TERM").await;

    // One that is good is kept; under another prefix it is the same token with another value.
    let dev = Dev::start(&house, &["--data", &data], None).await;
    assert_eq!((dev.text("token_id"), dev.token()), (&*second, value));
    dev.end("-TERM").await;
    let hub = ["--data", &data, "--token-prefix", "hf_"];
    let dev = Dev::start(&house, &hub, None).await;
    dev.assert_allowed(&house);
    assert!(dev.token().starts_with("hf_eyJ"));
    assert_eq!(dev.listed(&house), [revoked(&first), active(&second)]);
    dev.end("-TERM").await;
    assert_eq!(left(&house), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_starts_again_on_a_redis_that_it_knows() {
    let redis = Redis::start();
    let house = House::new(Store::Embedded);
    let url = redis.url();
    let dev = Dev::start(&house, &[], Some(&url)).await;
    dev.assert_allowed(&house);
    let first = dev.listed(&house);
    dev.end("-INT").await;
    assert_eq!(left(&house), 0);

    let dev = Dev::start(&house, &[], Some(&url)).await;
    dev.assert_allowed(&house);
    assert_eq!(dev.listed(&house), first, "nothing heaps up");

    // What somebody has changed since stays, and is no reason not to start.
    let deleted = dev.operator(&house, &["directory", "delete", "user-id:u-ada"]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.err);
    dev.end("-INT").await;
    let dev = Dev::start(&house, &[], Some(&url)).await;
    assert_eq!(dev.told["token_id"], Value::Null);
    assert!(http::get(dev.text("http").trim_start_matches("http://"), "/livez").is_some());
    dev.end("-INT").await;
    assert_eq!(left(&house), 0);
}

/// In words that help, and without a trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dev_that_does_not_start_names_its_own_options_and_leaves_nothing() {
    let house = House::new(Store::Embedded);
    // Somebody is at the last of its ports.
    let (taken, first) = (0..50)
        .find_map(|attempt| {
            let first = port(attempt + 50);
            let last = u16::try_from(first + 12).ok()?;
            Some((TcpListener::bind(("127.0.0.1", last)).ok()?, first))
        })
        .unwrap();
    let failed = |more: &[&str], told: &[&str]| {
        let ended = run(house.kept(), &mut command(&house, first, more));
        assert_eq!(ended.code, Some(7), "{more:?}: {}{}", ended.out, ended.err);
        for part in told {
            assert!(ended.err.contains(part), "{part} in {}", ended.err);
        }
        for alien in ["--listen", "--http-listen", "--store", "realm create"] {
            assert!(!ended.err.contains(alien), "{alien} in {}", ended.err);
        }
        assert_eq!(left(&house), 0, "{more:?}");
    };
    let last = format!("port {} (its HTTP): in use", first + 12);
    failed(&[], &[&last, "--port"]);
    drop(taken);
    failed(&["--redis", "redis://127.0.0.1:1"], &["--redis: "]);

    // An earlier start's folder, whose file is no store any more.
    let data = house.path("broken");
    let text = data.display().to_string();
    let dev = Dev::start(&house, &["--data", &text], None).await;
    dev.end("-INT").await;
    fs::write(data.join("hub.redb"), "something else").unwrap();
    failed(&["--data", &text], &["hub.redb: "]);
    assert!(data.join("operator.credential").exists());

    // Somebody else's folder: nothing of it is replaced, and nothing is put there.
    let data = house.path("another's");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("hub.redb"), "something else").unwrap();
    let text = data.display().to_string();
    let ended = run(
        house.kept(),
        &mut command(&house, first, &["--data", &text]),
    );
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("--data"), "{}", ended.err);
    let kept = fs::read_to_string(data.join("hub.redb")).unwrap();
    assert_eq!(kept, "something else");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
}
