//! Passwords that change while commits and confirms go on.

use std::path::Path;

use tokenward_common::store::redis::{OpenError, RedisAccess, RedisFeed, RedisPlace, RedisStore};

use super::{fixture::CREATE, group::until, server::Server, workload::Workload};

fn place(server: &Server, user: &str, file: &Path) -> RedisPlace {
    let access = RedisAccess {
        user: Some(user.into()),
        password_file: Some(file.to_owned()),
        ..RedisAccess::default()
    };
    // The file wins over the URL's.
    let url = format!("{}?user=nobody&pass=wrong", server.url());
    RedisPlace::parse(&url, access).unwrap()
}

/// The ids of the connections of a user.
fn connections(server: &Server, user: &str) -> Vec<String> {
    let user = format!(" user={user} ");
    let told = server.ask(&["client", "list"]);
    let own = told.lines().filter(|line| line.contains(&user));
    own.filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_is_rotated_and_nothing_is_cut() {
    let server = Server::start(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = |user: &str| dir.path().join(user);
    let users = ["issuer", "verifier"];
    for user in users {
        server.ask(&["acl", "setuser", user, "on", ">old", "~*", "&*", "+@all"]);
        std::fs::write(file(user), "old\n").unwrap();
    }
    let issuers = place(&server, "issuer", &file("issuer"));
    let store = RedisStore::open(&issuers, "hub", CREATE).await.unwrap();
    let feed = RedisFeed::new(&place(&server, "verifier", &file("verifier")), "hub").unwrap();
    let workload = Workload::begin(store, feed).await;
    for user in users {
        let old = connections(&server, user);
        assert!(!old.is_empty());
        server.ask(&["acl", "setuser", user, ">new"]);
        std::fs::write(file(user), "new\n").unwrap();
        // Those that are used are replaced; an issuer's other one follows when it is used.
        until("another connection", || {
            let now = connections(&server, user);
            now.iter().any(|id| !old.contains(id)) && old.iter().any(|id| !now.contains(id))
        });
        server.ask(&["acl", "setuser", user, "<old"]);
    }
    workload.goes_on().await;
    assert_eq!(workload.errors(), Vec::<String>::new());
    // Whoever connects from now on does so by the new one.
    for user in users {
        server.ask(&["client", "kill", "user", user]);
    }
    workload.goes_on().await;
    workload.end().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_in_words() {
    let server = Server::start(&[]);
    server.ask(&[
        "acl", "setuser", "issuer", "on", ">right", "~*", "&*", "+@all",
    ]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    let open = async || {
        let opened = RedisStore::open(&place(&server, "issuer", &file), "hub", CREATE).await;
        match opened.map(|_| ()) {
            Err(OpenError::Unavailable(why)) => why,
            other => format!("{other:?}"),
        }
    };
    assert!(open().await.contains("can't be read"));
    std::fs::write(&file, " \n").unwrap();
    assert!(open().await.contains("is empty"));
    std::fs::write(&file, "hunter2").unwrap();
    let told = open().await;
    assert!(
        told.contains("WRONGPASS") && !told.contains("hunter2"),
        "{told}"
    );
    std::fs::write(&file, "right").unwrap();
    assert_eq!(open().await, "Ok(())");
    server.ask(&["acl", "setuser", "admin", "on", ">pw", "~*", "&*", "+@all"]);
    server.ask(&["acl", "setuser", "default", "off"]);
    let told = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .map(|_| ());
    let told = told.unwrap_err().to_string();
    assert!(told.contains("NOAUTH"), "{told}");
}
