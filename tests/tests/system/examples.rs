//! The examples in the programs' `--help`, taken from there and run as they are pasted: a hub from an
//! empty folder to an audit trail. Only addresses are others.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use tokenward_tests::house::{Ended, House, Program, Store, level, program, run};

/// A shell in a folder of its own, in which the programs are found.
struct Shop {
    house: House,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Shop {
    fn new() -> Self {
        let house = House::new(Store::Embedded);
        let folder = house.path("shop");
        std::fs::create_dir(&folder).unwrap();
        let any = house.any_port();
        let here = program("tokenward").parent().unwrap().display().to_string();
        let path = format!("{here}:{}", std::env::var("PATH").unwrap());
        let listen = [
            "TOKENWARD_LISTEN",
            "TOKENWARD_HTTP_LISTEN",
            "TOKENWARD_ADMIN_LISTEN",
        ];
        let variables = listen
            .map(|name| (name.to_owned(), any.clone()))
            .into_iter()
            .chain([("PATH".to_owned(), path)])
            .chain([("TOKENWARD_LOG_FORMAT".to_owned(), "json".to_owned())])
            .collect();
        Self {
            house,
            folder,
            variables,
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", line])
            .current_dir(&self.folder)
            .envs(&self.variables);
        shell
    }

    fn run(&self, line: &str) -> Ended {
        run(self.house.kept(), &mut self.shell(line))
    }

    fn assert_runs(&self, line: &str) {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(0), "{line}: {}{}", ended.out, ended.err);
    }

    fn start(&self, line: &str) -> Program {
        let line = format!("exec {line}");
        Program::start(self.house.kept(), "server", self.shell(&line))
    }

    /// What stands there, if it is there, may stand nowhere else.
    fn keep(&self, file: &str) {
        if let Ok(secret) = std::fs::read_to_string(self.folder.join(file)) {
            self.house.kept().secret(secret.trim());
        }
    }

    /// What a program's help gives as its example, line by line.
    fn example(&self, name: &str) -> Vec<String> {
        let help = self.run(&format!("{name} --help"));
        assert_eq!(help.code, Some(0), "{}", help.err);
        let (_, after) = help.out.rsplit_once("\nExample").expect("an example");
        let whole = after.replace("\\\n", " ");
        let lines = whole.lines().filter_map(|line| line.strip_prefix("  "));
        let of_a_shell = |line: &&str| line.starts_with("tokenward") || line.starts_with("export ");
        lines.filter(of_a_shell).map(str::to_owned).collect()
    }
}

const HUB: &str = r#"
{"put_user": {"id": "u-ada", "name": "ada"}}
{"put_org": {"id": "o-acme", "name": "acme"}}
{"put_member": {"org_id": "o-acme", "user_id": "u-ada", "role": "read"}}
{"put_repo": {"id": "m-1", "kind": "model", "owner_id": "o-acme", "name": "llama", "visibility": "private", "gate": "none"}}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_help_texts_run_as_they_are() {
    let mut shop = Shop::new();
    let mut lines = shop.example("tokenward-issuer");
    let serve = lines.pop().unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for line in &lines {
        shop.assert_runs(line);
    }
    for file in ["hub.credential", "feed.credential"] {
        shop.keep(file);
    }
    let issuer = shop.start(&serve);
    let serving = issuer.event("serving");
    let at = |name: &str| serving[name].as_str().unwrap().to_owned();
    // The key has the name that was printed.
    let (listen, http) = (at("listen"), at("http"));
    let published = level("the keys are published", async || {
        tokenward_tests::house::http::get(&http, "/.well-known/jwks.json")
            .ok_or_else(|| "nobody answers".into())
    })
    .await;
    assert!(
        published.1.contains("\"kid\":\"2026-11\""),
        "{}",
        published.1
    );

    let mut lines = shop.example("tokenward-verifier");
    let check = lines.pop().unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = lines[0]
        .replace("127.0.0.1:8470", &listen)
        .replace("127.0.0.1:8471", &http);
    let verifier = shop.start(&line);
    let served = verifier.event("serving");
    let served = served["listen"].as_str().unwrap();

    std::fs::write(shop.folder.join("hub.jsonl"), HUB).unwrap();
    shop.set("TOKENWARD_ISSUER", &format!("http://{listen}"));
    shop.set("TOKENWARD_VERIFIER", &format!("http://{served}"));
    let lines = shop.example("tokenward");
    assert!(lines.contains(&check), "{check}: {lines:?}");
    let mut ran = 0;
    for line in &lines {
        if let Some(set) = line.strip_prefix("export ") {
            let (name, value) = set.split_once('=').unwrap();
            shop.set(name, value);
        } else if *line == check {
            level("the check is allowed", async || match shop.run(line) {
                allowed if allowed.code == Some(0) => Ok(()),
                other => Err(format!("{}{}", other.out, other.err)),
            })
            .await;
        } else if line != "tokenward dev" {
            shop.assert_runs(line);
            shop.keep("ada.token");
        }
        ran += 1;
    }
    assert!(ran >= 8, "{lines:?}");
}
