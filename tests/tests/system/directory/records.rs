//! Records found, listed, deleted and exported by the command; and wrong questions.

use tokenward_proto::v1::{GetRequest, ListRequest, RecordKey, RecordKind, record_key::Key};
use tokenward_tests::house::Store;
use tonic::Code;

use super::{Hub, lines, small};

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
    assert_eq!(
        hub.told(&["get", "group-id:g1"])["group"]["name"],
        "Research"
    );
    let member = hub.told(&["get", "group-member", "g1", "bob"]);
    assert_eq!(member["group_member"]["role"], "write");
    let policy = hub.told(&["get", "policy", "acme"]);
    assert_eq!(policy["org_policy"]["max_token_lifetime_seconds"], 86_400);
    let repo = hub.told(&["get", "model:acme/next"]);
    assert_eq!(repo["repo"]["group_id"], "g1");
    for missing in [
        &["user:nobody"][..],
        &["group-id:g2"],
        &["group-member", "g1", "ada"],
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
    assert_eq!(count(&["repos", "--owner", "org:acme"]), 2);
    assert_eq!(count(&["grants", "--repo", "model:acme/llama"]), 1);
    assert_eq!(count(&["grants", "--user", "ada"]), 0);
    assert_eq!(count(&["groups", "--org", "acme"]), 1);
    assert_eq!(count(&["group-members", "--group", "g1"]), 1);
    assert_eq!(count(&["group-members", "--user", "ada"]), 0);
    assert_eq!(count(&["policies"]), 1);
    assert!(
        hub.refused(&["list", "orgs", "--user", "ada"], 2)
            .contains("--user")
    );
    hub.refused(&["list", "members", "--org", "nobody"], 3);

    // Of each kind some fields, and the others stay.
    for (words, set) in [
        (&["user:ada"][..], "display.full_name=Ada Lovelace"),
        (&["user:ada"], "display.email=ada@example.org"),
        (&["org:acme"], "display.plan=team"),
        (&["model:acme/llama"], "gate=none"),
        (&["grant", "model:acme/llama", "bob"], "state=rejected"),
        (&["member", "acme", "bob"], "role=write"),
        (&["group-id:g1"], "name=Lab"),
        (&["group-member", "g1", "bob"], "role=read"),
        (&["policy", "acme"], "policy=fine_grained_only"),
    ] {
        let told = hub.told(&[&["put"], words, &["--set", set]].concat());
        assert_eq!(told["changed"][0], set.split('=').next().unwrap(), "{told}");
    }
    let ada = hub.told(&["get", "user:ada"]);
    assert_eq!(ada["user"]["display"]["full_name"], "Ada Lovelace", "{ada}");
    assert_eq!(ada["user"]["display"]["email"], "ada@example.org", "{ada}");
    let policy = hub.told(&["get", "policy", "acme"]);
    assert_eq!(policy["org_policy"]["policy"], "fine_grained_only");
    assert_eq!(policy["org_policy"]["max_token_lifetime_seconds"], 86_400);
    let repo = hub.told(&["get", "model:acme/llama"]);
    assert_eq!(repo["repo"]["gate"], "none", "{repo}");
    hub.refused(&["put", "user:nobody", "--set", "name=x"], 3);
    let wrong = hub.refused(&["put", "user:ada", "--set", "nickname=x"], 2);
    assert!(wrong.contains("nickname: is no field"), "{wrong}");

    // Everything can be deleted, by name or by id.
    for words in [
        &["grant", "model:acme/llama", "bob"][..],
        &["group-member", "g1", "bob"],
        &["policy", "acme"],
        &["group-id:g1"],
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
    for kind in ["groups", "group-members", "policies"] {
        assert_eq!(count(&[kind]), 0);
    }
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
    assert_eq!(told["records"], 263, "{told}");

    let other = Hub::new(to).await;
    let told = other.told(&["import", &first_path]);
    assert_eq!(told["operations"], 263, "{told}");
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
