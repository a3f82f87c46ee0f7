//! The directory by the command and by its API: found, listed, deleted, exported; and an import that
//! was killed goes on where its answers ended.

use std::{collections::BTreeSet, fmt::Write, path::Path, process::Command, process::Stdio};

use serde_json::Value;
use tokenward_proto::v1::{
    GetRequest, ListAuditEventsRequest, ListRequest, RecordKey, RecordKind, record_key::Key,
};
use tokenward_tests::house::{Ended, House, Issuer, Program, Store, level, program};
use tonic::Code;

/// An issuer and who commands it.
struct Hub {
    issuer: Issuer,
    house: House,
}

impl Hub {
    async fn new(store: Store) -> Self {
        let house = House::new(store);
        let issuer = house.issuer().await;
        Self { issuer, house }
    }

    fn words(&self, credential: &str, words: &[&str]) -> Vec<String> {
        let file = self.house.path(&format!("{credential}.credential"));
        let mut all = vec!["directory".to_owned()];
        all.extend(words.iter().map(|&word| word.to_owned()));
        all.extend(["--issuer".into(), format!("http://{}", self.issuer.address)]);
        all.extend(["--credential-file".into(), file.display().to_string()]);
        all
    }

    fn run(&self, credential: &str, words: &[&str]) -> Ended {
        let mut words = self.words(credential, words);
        words.push("--json".into());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.house.tokenward(&words)
    }

    /// What it answers when it goes well.
    fn told(&self, words: &[&str]) -> Value {
        let ended = self.run("feeder", words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.err);
        serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.out))
    }

    fn refused(&self, words: &[&str], code: i32) -> String {
        let ended = self.run("feeder", words);
        assert_eq!(
            ended.code,
            Some(code),
            "{words:?}: {}{}",
            ended.out,
            ended.err
        );
        ended.err
    }

    fn import(&self, name: &str, text: &str) -> Value {
        let path = self.house.path(name);
        std::fs::write(&path, text).unwrap();
        self.told(&["import", &path.display().to_string()])
    }

    /// Batches that were written by imports, by the audit trail.
    async fn imported(&self) -> usize {
        let mut audit = self.issuer.operator().audit;
        let mut request = ListAuditEventsRequest {
            page_size: 1000,
            ..ListAuditEventsRequest::default()
        };
        let mut count = 0;
        loop {
            let page = audit.list_audit_events(request.clone()).await;
            let page = page.unwrap().into_inner();
            let imports = page
                .events
                .iter()
                .filter(|event| event.method == "DirectoryService/Import");
            count += imports.count();
            if !page.more {
                return count;
            }
            request.page_token = page.next_page_token;
        }
    }
}

fn lines(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), text.lines().count(), "twice");
    lines
}

/// One org with a service account, members, repos and grants, and 250 more users.
fn small() -> String {
    let mut text = String::from(
        r#"{"put_user":{"id":"u1","name":"Ada","display":{"full_name":"Ada L."}}}
{"put_user":{"id":"u2","name":"bob","disabled":true}}
{"put_org":{"id":"o7","name":"acme","display":{"plan":"team"}}}
{"put_user":{"id":"s1","name":"acme-ci","service_account_of":"o7"}}
{"put_member":{"org_id":"o7","user_id":"u1","role":"admin"}}
{"put_member":{"org_id":"o7","user_id":"u2","role":"read"}}
{"put_repo":{"id":"m1","owner_id":"o7","name":"Llama","kind":"model","visibility":"public","gate":"manual","creator_id":"u1"}}
{"put_repo":{"id":"d1","owner_id":"u1","name":"words","kind":"dataset","visibility":"private","gate":"none"}}
{"put_gate_grant":{"repo_id":"m1","user_id":"u2","state":"accepted"}}
"#,
    );
    for n in 10..260 {
        writeln!(text, r#"{{"put_user":{{"id":"u{n}","name":"user-{n}"}}}}"#).unwrap();
    }
    text
}

async fn records_by_the_command(store: Store) {
    let hub = Hub::new(store).await;
    hub.import("hub.jsonl", &small());

    assert_eq!(hub.told(&["get", "user:ADA"])["user"]["id"], "u1");
    assert_eq!(hub.told(&["get", "account-id:o7"])["org"]["name"], "acme");
    let repo = hub.told(&["get", "model:Acme/llama"]);
    assert_eq!(repo["repo"]["gate"], "manual", "{repo}");
    assert!(repo["revision"].is_string());
    let member = hub.told(&["get", "member", "acme", "user-id:u2"]);
    assert_eq!(member["member"]["role"], "read");
    let grant = hub.told(&["get", "grant", "model-id:m1", "bob"]);
    assert_eq!(grant["gate_grant"]["state"], "accepted");
    for missing in [
        &["user:nobody"][..],
        &["org:ada"],
        &["dataset-id:m1"],
        &["member", "acme", "user-10"],
    ] {
        let error = hub.refused(&[&["get"], missing].concat(), 3);
        assert!(error.contains("not_found"), "{error}");
    }

    let count = |words: &[&str]| {
        let listed = hub.told(&[&["list"], words].concat());
        listed.as_array().unwrap().len()
    };
    assert_eq!(count(&["users"]), 253);
    assert_eq!(count(&["users", "--limit", "7"]), 7);
    assert_eq!(count(&["users", "--org", "acme"]), 1);
    assert_eq!(count(&["orgs"]), 1);
    assert_eq!(count(&["members", "--org", "org-id:o7"]), 2);
    assert_eq!(count(&["members", "--user", "ada"]), 1);
    assert_eq!(count(&["repos", "--owner", "ada"]), 1);
    assert_eq!(count(&["repos", "--owner", "org:acme"]), 1);
    assert_eq!(count(&["grants", "--repo", "model:acme/llama"]), 1);
    assert_eq!(count(&["grants", "--user", "ada"]), 0);
    assert!(
        hub.refused(&["list", "orgs", "--user", "ada"], 2)
            .contains("--user")
    );
    hub.refused(&["list", "members", "--org", "nobody"], 3);

    // Everything can be deleted, by name or by id.
    for words in [
        &["grant", "model:acme/llama", "bob"][..],
        &["member", "acme", "bob"],
        &["model-id:m1"],
        &["user-id:u10"],
        &["user:user-11"],
        &["org:acme"],
    ] {
        let told = hub.told(&[&["delete"], words].concat());
        assert!(told["revision"].is_string(), "{told}");
    }
    hub.told(&["delete", "user-id:u10"]);
    hub.refused(&["delete", "user:user-11"], 3);
    // The service account went with its org.
    assert_eq!(count(&["users"]), 250);
    assert_eq!(count(&["orgs"]), 0);
    assert_eq!(count(&["members"]), 0);
    assert_eq!(count(&["repos"]), 1);
    assert_eq!(count(&["grants"]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_found_listed_and_deleted_by_the_command_embedded() {
    records_by_the_command(Store::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_found_listed_and_deleted_by_the_command_redis() {
    records_by_the_command(Store::Redis).await;
}

async fn an_export_is_an_import(from: Store, to: Store) {
    let hub = Hub::new(from).await;
    hub.import("hub.jsonl", &small());
    let first = hub.house.path("first.jsonl");
    let first_path = first.display().to_string();
    let told = hub.told(&["export", &first_path]);
    assert_eq!(told["records"], 259, "{told}");

    let other = Hub::new(to).await;
    let told = other.told(&["import", &first_path]);
    assert_eq!(told["operations"], 259, "{told}");
    let second = other.house.path("second.jsonl");
    other.told(&["export", &second.display().to_string()]);
    assert_eq!(lines(&first), lines(&second));
    // Nothing else is left beside them.
    let beside = std::fs::read_dir(other.house.dir()).unwrap();
    let beside = beside.map(|it| it.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = beside
        .filter(|name| name.ends_with(".new") || name.ends_with(".progress"))
        .collect();
    assert_eq!(left, Vec::<String>::new());

    let ended = other.run("feeder", &["export", "-", "--only", "orgs,members"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out.lines().count(), 3);
    assert!(ended.out.starts_with(r#"{"put_org":"#), "{}", ended.out);
    let ended = other.run("minter", &["export", "-"]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_an_import_from_embedded_to_redis() {
    an_export_is_an_import(Store::Embedded, Store::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_an_import_from_redis_to_embedded() {
    an_export_is_an_import(Store::Redis, Store::Embedded).await;
}

/// Lines in the long import, and the batch with a mistake in it.
const LONG: usize = 120_000;
const BATCHES: usize = LONG / 100;
/// Batches that the command has in flight.
const WINDOW: usize = 32;

async fn a_killed_import_goes_on(store: Store) {
    let hub = Hub::new(store).await;
    let path = hub.house.path("long.jsonl");
    let mut text = String::new();
    for n in 0..LONG {
        match n {
            149 => text.push_str("{\"delete_user\":7}\n"),
            _ => writeln!(text, r#"{{"put_user":{{"id":"u{n}","name":"user-{n}"}}}}"#).unwrap(),
        }
    }
    std::fs::write(&path, &text).unwrap();
    let file = path.display().to_string();
    let progress_path = hub.house.path("long.jsonl.progress");
    let settled = || -> Option<Value> {
        let text = std::fs::read_to_string(&progress_path).ok()?;
        serde_json::from_str(&text).ok()
    };

    let mut command = Command::new(program("tokenward"));
    command.args(hub.words("feeder", &["import", &file]));
    command.stdout(Stdio::null());
    let mut import = Program::start(hub.house.kept(), "import", command);
    level("some of it is settled", async || match settled() {
        Some(told) if told["batches"].as_u64() > Some(20) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    import.kill();
    let before = settled().expect("a killed import leaves a whole line");
    let batches = usize::try_from(before["batches"].as_u64().unwrap()).unwrap();
    assert!(batches < BATCHES - 1, "it was killed too late: {before}");

    // Not into another realm, nor of another file.
    let other = Hub::new(Store::Embedded).await;
    let error = other.refused(&["import", &file], 6);
    assert!(
        error.contains("another realm") && error.contains("--restart"),
        "{error}"
    );
    std::fs::write(&path, text.replacen("user-0", "user-x", 1)).unwrap();
    let error = hub.refused(&["import", &file], 6);
    assert!(
        error.contains("changed") && error.contains("--restart"),
        "{error}"
    );
    std::fs::write(&path, &text).unwrap();
    assert_eq!(settled().unwrap(), before, "refusals change nothing");

    let ended = hub.run("feeder", &["import", &file]);
    // The mistake was found by the first of the two, and is not forgotten.
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(told["operations"], LONG - 100, "{told}");
    assert_eq!(told["refused_batches"], 1, "{told}");
    assert_eq!(
        told["resumed"]["operations"], before["operations"],
        "{told}"
    );
    assert_eq!(
        told["resumed"]["line"],
        before["line"].as_u64().unwrap() + 1
    );
    assert!(!progress_path.exists());

    // Twice written is at most what was on its way, and the one whose answer was being noted.
    let written = hub.imported().await;
    let twice = written - (BATCHES - 1);
    assert!(twice <= WINDOW + 1, "{twice} batches were written twice");
    let listed = hub.told(&["list", "users", "--limit", "1000000"]);
    assert_eq!(listed.as_array().unwrap().len(), LONG - 100);
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
async fn wrong_questions_and_callers_get_their_status() {
    let hub = Hub::new(Store::Embedded).await;
    hub.import("hub.jsonl", &small());
    let key = |key| GetRequest {
        key: Some(RecordKey { key: Some(key) }),
    };
    let ada = key(Key::AccountName("ada".into()));
    let users = ListRequest {
        kind: RecordKind::User.into(),
        page_size: 100,
        ..ListRequest::default()
    };

    // Whoever mints or revokes may see one; only the directory's own may have all.
    let of = |name: &str| {
        hub.issuer
            .caller(Some(&hub.house.credential(name)))
            .directory
    };
    for name in ["feeder", "minter", "revoker"] {
        of(name).get(ada.clone()).await.unwrap();
    }
    let stranger = of("followers").get(ada.clone()).await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied);
    let minter = of("minter").list(users.clone()).await.unwrap_err();
    assert_eq!(minter.code(), Code::PermissionDenied);
    let nobody = hub.issuer.caller(None).directory.list(users.clone()).await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);

    let mut feeder = of("feeder");
    let missing = feeder
        .get(key(Key::RepoId("none".into())))
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);

    // A token is for its own question.
    let first = feeder.list(users.clone()).await.unwrap().into_inner();
    assert_eq!(first.records.len(), 100);
    assert!(!first.next_page_token.is_empty());
    let mut next = users.clone();
    next.page_token.clone_from(&first.next_page_token);
    assert_eq!(
        feeder
            .list(next.clone())
            .await
            .unwrap()
            .into_inner()
            .records
            .len(),
        100
    );
    let mut wrong = Vec::new();
    next.org_id = "o7".into();
    wrong.push(next.clone());
    next.org_id.clear();
    next.kind = RecordKind::Org.into();
    wrong.push(next);
    for text in ["x", "00", &first.next_page_token[2..]] {
        wrong.push(ListRequest {
            page_token: text.into(),
            ..users.clone()
        });
    }
    for request in wrong {
        let refused = feeder.list(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with("page_token: "), "{refused}");
    }
    let too_many = ListRequest {
        page_size: 1001,
        ..users
    };
    let refused = feeder.list(too_many).await.unwrap_err();
    assert!(refused.message().starts_with("page_size: "), "{refused}");
}
