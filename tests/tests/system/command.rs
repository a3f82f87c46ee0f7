//! The `tokenward` command against real programs, and `tokenward dev`.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use serde_json::Value;
use tokenward_tests::house::{
    Ended, Feed, House, Issuer, Program, Store, Verifier, http, hub::Corner, level, program,
};

/// `tokenward dev`, and what it printed.
struct Dev {
    program: Program,
    told: Value,
}

/// Twelve ports from here are free, as far as anybody can tell.
async fn dev(house: &House) -> Dev {
    let data = house.path("dev").display().to_string();
    for attempt in 0..50 {
        // Below the ports that the system gives to others.
        let port = 10_000 + (std::process::id() * 7 + attempt * 13) % 1000 * 20;
        let mut command = Command::new(program("tokenward"));
        command
            .args(["--json", "dev", "--data", &data, "--log-format", "json"])
            .args(["--port", &port.to_string()])
            .stdout(Stdio::piped());
        let out = house.path(&format!("dev.{attempt}.out"));
        command.stdout(std::fs::File::create(&out).unwrap());
        let mut program = Program::start(house.kept(), "dev", command);
        let started = level("dev has started", async || {
            let mut text = String::new();
            std::fs::File::open(&out)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            match serde_json::from_str::<Value>(&text) {
                Ok(told) => Ok(Some(told)),
                Err(_) if program.log().iter().any(|it| it.contains("in use")) => Ok(None),
                Err(error) => Err(format!("{error}: {text}")),
            }
        })
        .await;
        match started {
            Some(told) => return Dev { program, told },
            None => drop(program.ended().await),
        }
    }
    panic!("no free ports");
}

impl Dev {
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

    fn operator(&self, house: &House, words: &[&str]) -> Ended {
        let mut args = vec!["--json"];
        args.extend(words);
        args.extend(["--issuer", self.text("issuer")]);
        args.extend(["--credential-file", self.text("credential_file")]);
        house.tokenward(&args)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_shows_a_revocation_in_three_lines() {
    let house = House::new(Store::Embedded);
    let mut dev = dev(&house).await;
    for file in ["token_file", "credential_file"] {
        let secret = std::fs::read_to_string(dev.text(file)).unwrap();
        house.kept().secret(secret.trim());
    }
    let allowed = dev.check(&house, &[]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.err);
    assert!(allowed.out.starts_with("ALLOW\n"), "{}", allowed.out);

    let explain = [
        "--explain",
        "--credential-file",
        dev.text("credential_file"),
    ];
    let explained = dev.check(&house, &explain);
    assert_eq!(explained.code, Some(0), "{}", explained.err);
    assert!(explained.out.contains("revocation"), "{}", explained.out);

    let revoked = dev.operator(&house, &["token", "revoke", dev.text("token_id")]);
    assert_eq!(revoked.code, Some(0), "{}", revoked.err);
    let revoked: Value = serde_json::from_str(&revoked.out).unwrap();
    let revision = revoked["revision"].as_str().unwrap().to_owned();

    let denied = level("the revocation arrives", async || {
        match dev.check(&house, &["--min-revision", &revision]) {
            early if early.code == Some(5) => Err(early.err),
            ended => Ok(ended),
        }
    })
    .await;
    assert_eq!(denied.code, Some(1), "{}", denied.err);
    assert!(denied.out.starts_with("DENY token_revoked: "));
    let denied = dev.check(&house, &["--json"]);
    assert_eq!(denied.code, Some(1));
    let denied: Value = serde_json::from_str(&denied.out).unwrap();
    assert_eq!(denied["reason"], "token_revoked");

    // Ctrl-C; and again with what it kept.
    dev.program.signal("-INT");
    assert_eq!(dev.program.ended().await.code(), Some(0));
    let mut again = self::dev(&house).await;
    assert_eq!(again.text("token_id"), dev.text("token_id"));
    assert_eq!(again.check(&house, &[]).code, Some(1));
    let listed = again.operator(&house, &["token", "list", "--owner", "ada", "--all"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed[0]["state"], "revoked", "{listed}");
    again.program.signal("-TERM");
    assert_eq!(again.program.ended().await.code(), Some(0));
}

/// A small deployment to command.
struct Deployed {
    issuer: Issuer,
    verifier: Verifier,
    house: House,
}

impl Deployed {
    async fn new() -> Self {
        let house = House::new(Store::Embedded);
        let issuer = house.issuer().await;
        let verifier = house.verifier(Feed::Grpc(&issuer)).await;
        Self {
            issuer,
            verifier,
            house,
        }
    }

    fn run(&self, credential: &str, words: &[&str]) -> Ended {
        let issuer = format!("http://{}", self.issuer.address);
        let verifier = format!("http://{}", self.verifier.address);
        let file = self.house.path(&format!("{credential}.credential"));
        let file = file.display().to_string();
        let mut args = words.to_vec();
        args.extend(["--issuer", &issuer, "--verifier", &verifier, "--json"]);
        args.extend(["--credential-file", &file]);
        self.house.tokenward(&args)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_their_exit_codes() {
    let deployed = Deployed::new().await;
    let corner = Corner::new("k1");
    deployed.issuer.write(corner.operations()).await;
    let ada = corner.of("ada");
    let create = ["token", "create", "--owner", &ada, "--role", "read"];
    let secret_file = deployed.house.path("ada.token").display().to_string();
    let mut right = create.to_vec();
    right.extend(["--name", "t", "--secret-file", &secret_file]);
    let made = deployed.run("minter", &right);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let secret = std::fs::read_to_string(&secret_file).unwrap();
    deployed.house.kept().secret(secret.trim());
    deployed.house.kept().said("stdout of create", made.out);

    let with = |more: &[&str]| -> Vec<String> {
        create.iter().chain(more).map(|&it| it.to_owned()).collect()
    };
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|&it| it.to_owned()).collect() };
    let open = format!("model:{}/open", corner.of("acme"));
    let private = format!("model:{}/secret", corner.of("acme"));
    let read = "repo.content.read";
    let rows = [
        (
            "hub",
            words(&["check", "--anonymous", "--permission", read, &open]),
            0,
            "",
        ),
        (
            "hub",
            words(&["check", "--anonymous", "--permission", read, &private]),
            1,
            "",
        ),
        (
            "hub",
            words(&[
                "check",
                "--token-file",
                &secret_file,
                "--permission",
                read,
                &private,
            ]),
            0,
            "",
        ),
        (
            "hub",
            words(&["check", "--anonymous", "--permission", "no.such", &open]),
            2,
            "usage",
        ),
        ("hub", words(&["token", "list"]), 2, "usage"),
        ("hub", with(&["--name", " "]), 2, "usage"),
        ("hub", words(&["token", "show", "4711"]), 3, "not_found"),
        (
            "hub",
            words(&["token", "list", "--owner", "nobody"]),
            3,
            "not_found",
        ),
        ("revoker", with(&["--name", "n"]), 4, "credential"),
        ("minter", words(&["token", "revoke", "1"]), 4, "credential"),
        (
            "hub",
            words(&[
                "check",
                "--anonymous",
                "--permission",
                read,
                "--max-staleness",
                "0s",
                &open,
            ]),
            5,
            "unavailable",
        ),
        ("hub", with(&["--name", "t"]), 6, "conflict"),
        (
            "minter",
            right.iter().map(|&it| it.to_owned()).collect(),
            6,
            "conflict",
        ),
    ];
    for (credential, words, code, kind) in rows {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let ended = deployed.run(credential, &words);
        assert_eq!(
            ended.code,
            Some(code),
            "{words:?}: {}{}",
            ended.out,
            ended.err
        );
        if !kind.is_empty() {
            let told: Value = serde_json::from_str(&ended.err).expect("an error as JSON");
            assert_eq!(told["error"]["exit"], code, "{words:?}");
            assert_eq!(told["error"]["kind"], kind, "{words:?}");
        }
    }
    // Nobody there.
    let mut deployed = deployed;
    deployed.issuer.program.kill();
    let ended = deployed.run("hub", &["token", "show", "1"]);
    assert_eq!(ended.code, Some(5), "{}", ended.err);
    assert!(http::get(&deployed.verifier.admin, "/livez").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_with_a_bad_line_writes_the_rest() {
    let deployed = Deployed::new().await;
    let file = deployed.house.path("hub.jsonl");
    // The second hundred holds a mistake that is seen here.
    let mut lines: Vec<String> = (1..=300)
        .map(|n| format!(r#"{{"put_user": {{"id": "u{n}", "name": "user-{n}"}}}}"#))
        .collect();
    lines[149] = r#"{"put_user": {"id": "u150"}}"#.into();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let path = file.display().to_string();
    let import = |more: &[&str]| {
        let mut words = vec!["directory", "import", path.as_str()];
        words.extend(more);
        let ended = deployed.run("feeder", &words);
        let told: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err));
        (ended.code, told)
    };
    let (code, told) = import(&["--dry-run"]);
    assert_eq!(
        (code, &told["operations"]),
        (Some(2), &200.into()),
        "{told}"
    );
    let (code, told) = import(&[]);
    assert_eq!(code, Some(2), "{told}");
    assert_eq!(told["operations"], 200);
    assert_eq!(told["refused_batches"], 1);
    let mistake = &told["refused"][0]["mistakes"][0];
    assert_eq!(mistake["line"], 150, "{told}");
    assert!(
        mistake["message"].as_str().unwrap().contains("name"),
        "{told}"
    );
    let listed = |n: &str| {
        deployed
            .run("hub", &["token", "list", "--owner-id", n])
            .code
    };
    assert_eq!((listed("u1"), listed("u300")), (Some(0), Some(0)));
    // All or nothing within the hundred.
    assert_eq!((listed("u101"), listed("u200")), (Some(3), Some(3)));

    // One that only the issuer can see: its code is another, and it is named the same.
    lines[149] = r#"{"put_user": {"id": "u150", "name": "USER-1"}}"#.into();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (code, told) = import(&[]);
    assert_eq!(code, Some(6), "{told}");
    let mistake = &told["refused"][0]["mistakes"][0];
    assert_eq!(mistake["line"], 150, "{told}");
    assert!(
        mistake["message"].as_str().unwrap().contains("is taken"),
        "{told}"
    );
    lines[149] = r#"{"put_user": {"id": "u150", "name": "user-150"}}"#.into();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (code, told) = import(&[]);
    assert_eq!(
        (code, &told["operations"]),
        (Some(0), &300.into()),
        "{told}"
    );
}
