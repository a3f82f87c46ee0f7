//! Operators' credentials while the programs run: one that is taken out of the file is out everywhere,
//! and a broken file changes nothing.

use serde_json::Value;
use tokenward_proto::v1::ListTokensRequest;
use tokenward_tests::house::{Feed, House, Issuer, Store, http, level};
use tonic::{Code, Status};

fn without(house: &House, name: &str) -> String {
    let text = std::fs::read_to_string(house.path("credentials.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let entries = file["credentials"].as_array_mut().unwrap();
    let before = entries.len();
    entries.retain(|entry| entry["name"] != name);
    assert_eq!(entries.len(), before - 1);
    file.to_string()
}

fn replace(house: &House, text: &str) {
    let new = house.path("credentials.new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, house.path("credentials.json")).unwrap();
}

async fn ask(issuer: &Issuer, secret: &str) -> Result<(), Status> {
    let request = ListTokensRequest {
        owner_id: "u-ada".into(),
        page_size: 1,
        ..ListTokensRequest::default()
    };
    let mut caller = issuer.caller(Some(secret));
    caller.list(request).await.map(drop)
}

fn metric(admin: &str, line: &str) -> bool {
    let (_, text) = http::get(admin, "/metrics").unwrap();
    text.lines().any(|told| told == line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_taken_out_of_the_file_is_out_everywhere() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let operators = house.path("credentials.json").display().to_string();
    let args = ["--operators", &*operators];
    let verifier = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let (hub, minter) = (house.credential("hub"), house.credential("minter"));
    assert_ne!(
        ask(&issuer, &minter).await.map_err(|s| s.code()),
        Err(Code::Unauthenticated)
    );

    // Told to read at once, and what is there is broken: nothing changes, and it is told.
    let whole = std::fs::read_to_string(&operators).unwrap();
    replace(&house, whole.split_at(whole.len() / 2).0);
    issuer.program.signal("-HUP");
    verifier.program.signal("-HUP");
    for (admin, line) in [
        (&issuer.admin, "tokenward_issuer_credentials_broken 1"),
        (&verifier.admin, "tokenward_verifier_credentials_broken 1"),
    ] {
        level("a broken file is told", async || {
            metric(admin, line).then_some(()).ok_or_else(|| line.into())
        })
        .await;
    }
    assert_ne!(
        ask(&issuer, &minter).await.map_err(|s| s.code()),
        Err(Code::Unauthenticated)
    );

    replace(&house, &whole);
    replace(&house, &without(&house, "minter"));
    level("the minter is nobody", async || {
        match ask(&issuer, &minter).await {
            Err(status) if status.code() == Code::Unauthenticated => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!matches!(ask(&issuer, &hub).await, Err(s) if s.code() == Code::Unauthenticated));
    verifier.serving().await;

    // Its reader of the log waits at the issuer: it is sent away.
    replace(&house, &without(&house, "followers"));
    level("the verifier hears nothing more", async || {
        let (status, _) = http::get(&verifier.admin, "/readyz").unwrap();
        (status == 503)
            .then_some(())
            .ok_or_else(|| status.to_string())
    })
    .await;
}
