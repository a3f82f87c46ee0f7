//! Operators' credentials while the programs run: one that is taken out of the file is out everywhere,
//! and a broken file changes nothing.

use serde_json::Value;
use tokenward_proto::v1::{
    CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, Role, RotateTokenRequest,
    operation::Operation as Op,
};
use tokenward_tests::house::{
    Feed, House, Issuer, Store, http,
    hub::{Corner, op},
    level,
};
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

/// The collector of its log is gone, and nothing else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_stops_nothing() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let minter = house.credential("minter");
    issuer.program.leave_its_log();
    level("lines are lost, and counted", async || {
        issuer.program.signal("-HUP");
        match metric(&issuer.admin, "tokenward_issuer_log_lines_lost_total 0") {
            true => Err("none yet".into()),
            false => Ok(()),
        }
    })
    .await;

    replace(&house, &without(&house, "minter"));
    level("the minter is nobody", async || {
        match ask(&issuer, &minter).await {
            Err(status) if status.code() == Code::Unauthenticated => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    issuer.write(Corner::new("log").operations()).await;
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

/// By the command, and into the file that the issuer reads again.
fn with_own(house: &House, name: &str, owner: &str) -> String {
    let out = house.path(&format!("{name}.credential"));
    let out = out.display().to_string();
    let file = house.path("credentials.json").display().to_string();
    let made = house.tokenward(&[
        "credentials",
        "generate",
        "--name",
        name,
        "--role",
        "own",
        "--owner",
        owner,
        "--out",
        &out,
        "--credentials",
        &file,
    ]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    house.kept().secret(&house.credential(name));
    house.credential(name)
}

/// A pod's credential, and that of another owner: each for its own tokens, also after the file changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_for_one_owners_tokens_reaches_no_others() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let corner = Corner::new("own");
    let user = |name: &str| op(Op::PutUser(corner.user(name)));
    issuer.write(vec![user("ada"), user("linus")]).await;
    let owners = ["ada", "linus"].map(|name| corner.user_id(name));
    let mut callers = Vec::new();
    for (name, owner) in ["trainer", "builder"].into_iter().zip(&owners) {
        let secret = with_own(&house, name, owner);
        issuer.program.signal("-HUP");
        level("the credential is known", async || {
            match issuer.caller(Some(&secret)).list(of(owner)).await {
                Ok(_) => Ok(()),
                Err(status) => Err(status.to_string()),
            }
        })
        .await;
        let token = issuer.mint(owner, "pod", Role::Read).await;
        callers.push((name, owner, issuer.caller(Some(&secret)), token));
    }
    let theirs: Vec<String> = callers.iter().map(|(.., token)| token.id.clone()).collect();
    for (number, (_, owner, caller, token)) in callers.iter_mut().enumerate() {
        let listed = caller.list(of(owner)).await.unwrap().tokens;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].id, token.id);
        let new = caller.rotated(&token.id, 0).await;
        assert_ne!(new.secret, token.secret);

        let other = &owners[1 - number];
        let refused = caller.list(of(other)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let nobody = caller.list(of("u-nobody")).await.unwrap_err();
        assert_eq!(nobody.message(), refused.message());
        let (foreign, missing) = (&theirs[1 - number], "4000");
        let mut told = Vec::new();
        for id in [foreign, missing] {
            let rotate = RotateTokenRequest {
                token_id: id.into(),
                ..RotateTokenRequest::default()
            };
            let revoke = RevokeTokenRequest {
                token_id: id.into(),
                ..RevokeTokenRequest::default()
            };
            let statuses = [
                caller.rotate(rotate).await.map(drop).unwrap_err(),
                caller.revoke(revoke).await.map(drop).unwrap_err(),
            ];
            told.push(statuses.map(|it| (it.code(), it.message().replace(id, "N"))));
        }
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0][0].0, Code::NotFound);
        let mint = CreateTokenRequest {
            owner_id: owner.to_string(),
            name: "more".into(),
            role: Role::Write.into(),
            ..CreateTokenRequest::default()
        };
        let minted = caller.create(mint).await.map(drop).unwrap_err();
        assert_eq!(minted.code(), Code::PermissionDenied);
    }
    let (_, owner, caller, token) = &mut callers[0];
    let revoke = RevokeTokenRequest {
        token_id: token.id.clone(),
        ..RevokeTokenRequest::default()
    };
    caller.revoke(revoke).await.unwrap();
    let trail = issuer.operator().trail().await;
    let by = |method: &str, caller: &str| {
        let mut all = trail.iter();
        all.any(|event| event.method == method && event.caller == caller)
    };
    assert!(by("TokenService/RevokeToken", "trainer"));
    assert!(by("TokenService/RotateToken", "builder"));

    replace(&house, &without(&house, "trainer"));
    issuer.program.signal("-HUP");
    level("it is out of the file, and out", async || {
        match caller.list(of(owner)).await {
            Err(status) if status.code() == Code::Unauthenticated => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

fn of(owner_id: &str) -> ListTokensRequest {
    ListTokensRequest {
        owner_id: owner_id.into(),
        ..ListTokensRequest::default()
    }
}
