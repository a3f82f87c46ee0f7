//! An import that stopped goes on where its answers ended.

use std::{
    fmt::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use tokenward_tests::house::{House, Program, Redis, Store, level, program};

use super::Hub;

/// Lines in the long import, and the batch with a mistake in it.
const LONG: usize = 120_000;
const BATCHES: usize = LONG / 100;
/// Batches that the command has in flight.
const WINDOW: usize = 32;

/// A file of users with one mistake early on.
struct Long {
    path: PathBuf,
    progress: PathBuf,
    text: String,
}

impl Long {
    fn new(hub: &Hub) -> Self {
        let path = hub.house.path("long.jsonl");
        let mut text = String::new();
        for n in 0..LONG {
            match n {
                149 => text.push_str("{\"delete_user\":7}\n"),
                _ => writeln!(text, r#"{{"put_user":{{"id":"u{n}","name":"user-{n}"}}}}"#).unwrap(),
            }
        }
        std::fs::write(&path, &text).unwrap();
        Self {
            progress: hub.house.path("long.jsonl.progress"),
            path,
            text,
        }
    }

    fn file(&self) -> String {
        self.path.display().to_string()
    }

    fn settled(&self) -> Option<Value> {
        let text = std::fs::read_to_string(&self.progress).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Under way: some of it is settled.
    async fn begun(&self, hub: &Hub) -> Program {
        let mut command = Command::new(program("tokenward"));
        command.args(hub.words("feeder", &["import", &self.file()]));
        command.stdout(Stdio::null());
        let import = Program::start(hub.house.kept(), "import", command);
        level("some of it is settled", async || match self.settled() {
            Some(told) if told["batches"].as_u64() > Some(20) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        import
    }

    /// What an import that stopped left, before its end.
    fn left(&self) -> Value {
        let before = self.settled().expect("a whole line is left");
        let batches = usize::try_from(before["batches"].as_u64().unwrap()).unwrap();
        assert!(batches < BATCHES - 1, "it was stopped too late: {before}");
        before
    }

    /// All of it is answered, some by the import before.
    fn check_rest(&self, hub: &Hub, before: &Value, code: Option<i32>, told: &Value) {
        // The mistake was found by the first of the two, and is not forgotten.
        assert_eq!(code, Some(2), "{told}");
        assert_eq!(told["operations"], LONG - 100, "{told}");
        assert_eq!(told["refused_batches"], 1, "{told}");
        let resumed = &told["resumed"];
        assert_eq!(resumed["operations"], before["operations"], "{told}");
        assert_eq!(resumed["line"], before["line"].as_u64().unwrap() + 1);
        assert!(!self.progress.exists());
        let listed = hub.told(&["list", "users", "--limit", "1000000"]);
        assert_eq!(listed.as_array().unwrap().len(), LONG - 100);
    }
}

async fn a_killed_import_goes_on(store: Store) {
    let hub = Hub::new(store).await;
    let long = Long::new(&hub);
    let file = long.file();
    let mut import = long.begun(&hub).await;
    import.kill();
    let before = long.left();

    // Not into another realm, nor of another file.
    let other = Hub::new(Store::Embedded).await;
    let error = other.refused(&["import", &file], 6);
    assert!(
        error.contains("another realm") && error.contains("--restart"),
        "{error}"
    );
    std::fs::write(&long.path, long.text.replacen("user-0", "user-x", 1)).unwrap();
    let error = hub.refused(&["import", &file], 6);
    assert!(
        error.contains("changed") && error.contains("--restart"),
        "{error}"
    );
    std::fs::write(&long.path, &long.text).unwrap();
    assert_eq!(long.settled().unwrap(), before, "refusals change nothing");

    let ended = hub.run("feeder", &["import", &file]);
    let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err));
    long.check_rest(&hub, &before, ended.code, &told);

    // Twice written is at most what was on its way, and the one whose answer was being noted.
    let written = hub.imported().await;
    let twice = written - (BATCHES - 1);
    assert!(twice <= WINDOW + 1, "{twice} batches were written twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_goes_on_where_it_was_answered_embedded() {
    a_killed_import_goes_on(Store::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_goes_on_where_it_was_answered_redis() {
    a_killed_import_goes_on(Store::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_is_not_resumed_and_says_so() {
    let hub = Hub::new(Store::Embedded).await;
    let error = hub.refused(&["import", "-", "--restart"], 2);
    assert!(
        error.contains("only the import of a regular file"),
        "{error}"
    );
    // Nothing in it, and nothing kept of it.
    let told = hub.told(&["import", "-"]);
    assert_eq!(told["operations"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_goes_away_stops_an_import_and_refuses_nothing() {
    let mut redis = Redis::start();
    let house = House::on(&redis);
    let issuer = house.issuer().await;
    let hub = Hub { issuer, house };
    let long = Long::new(&hub);
    let mut import = long.begun(&hub).await;
    redis.kill();
    let status = import.ended().await;
    let said = import.log().join("\n");
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(
        said.contains("the same command goes on from there"),
        "{said}"
    );
    let before = long.left();
    redis.restart();
    let (code, told) = level("the issuer has its store again", async || {
        let ended = hub.run("feeder", &["import", &long.file()]);
        match ended.code {
            Some(5) => Err(ended.err),
            code => Ok((
                code,
                serde_json::from_str(&ended.out).unwrap_or(Value::Null),
            )),
        }
    })
    .await;
    long.check_rest(&hub, &before, code, &told);
}
