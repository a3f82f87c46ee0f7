//! The `tokenward` command against real programs.

use serde_json::Value;
use tokenward_tests::house::{Ended, Feed, House, Issuer, Store, Verifier, http, hub::Corner, tls};

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
        let issuer = tls::url(&self.issuer.address);
        let verifier = tls::url(&self.verifier.address);
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
