//! A repo renamed through the directory, asked for by the names that it had.

use tokenward_proto::v1::{Org, Repo, operation::Operation as Op};
use tokenward_tests::house::hub::op;

use super::*;

/// What a proxy's question is answered with: status, and where else to ask.
fn asked(site: &Site, address: &str, token: &str, target: &str) -> (u16, Option<String>) {
    let told = auth(&site.house, address, token, "GET", target);
    (told.status, told.header("location").map(str::to_owned))
}

fn renamed(corner: &Corner, id: &str, name: &str) -> tokenward_proto::v1::Operation {
    op(Op::PutRepo(Repo {
        name: name.into(),
        ..corner.private(id)
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_name_leads_to_the_present_one_and_opens_nothing() {
    let mut site = site().await;
    let corner = site.corner("m1").await;
    let mint = async |owner: &str| {
        let owner = corner.user_id(owner);
        site.issuer().mint(&owner, "t", Role::Read).await.secret
    };
    let (ada, linus) = (mint("ada").await, mint("linus").await);
    // Once, and once more by the other issuer: the first name leads to the last.
    let acme = corner.of("acme");
    site.issuer()
        .write(vec![renamed(&corner, "secret", "second")])
        .await;
    let revision = site
        .other()
        .write(vec![renamed(&corner, "secret", "Third")])
        .await;
    let file = |owner: &str, name: &str| format!("/{owner}/{name}/resolve/main/a%20b?x=%2f");
    let third = file(&acme, "Third");
    let fresh = corner.read(&ada, "third");
    site.all(&fresh, &revision, "ALLOW").await;
    for old in ["secret", "second"] {
        site.all(&corner.read(&ada, old), &revision, "NOT_FOUND")
            .await;
    }
    let led = async |site: &Site| {
        for verifier in &site.verifiers {
            let address = door(verifier);
            verifier.at(&fresh, &revision).await;
            for old in ["secret", "second", "SECRET", "third"] {
                let told = asked(site, &address, &ada, &file(&acme, old));
                assert_eq!(told, (307, Some(third.clone())), "{old} {}", verifier.name);
            }
            assert_eq!(asked(site, &address, &ada, &third), (200, None));
            let (missing, hidden) = (file(&acme, "nothing"), file(&acme, "secret"));
            for caller in [linus.as_str(), ""] {
                let [missing, hidden] = [&missing, &hidden]
                    .map(|target| auth(&site.house, &address, caller, "GET", target));
                assert_eq!(hidden.header("location"), None);
                assert_eq!((missing.status, missing.body), (hidden.status, hidden.body));
            }
        }
    };
    led(&site).await;
    // Read from the store's records, not from the log.
    for verifier in &mut site.verifiers {
        verifier.program.kill();
        verifier.restart().await;
    }
    led(&site).await;

    // The org is renamed, and a new repo takes the first name.
    let initech = corner.of("initech");
    let org = Org {
        id: corner.of("o-acme"),
        name: initech.clone(),
        display: None,
    };
    let mut new = corner.private("new");
    new.name = "secret".into();
    let revision = site
        .issuer()
        .write(vec![op(Op::PutOrg(org)), op(Op::PutRepo(new))])
        .await;
    for verifier in &site.verifiers {
        let address = door(verifier);
        let by_id = question(&ada, corner.by_id("secret"), "repo.content.read");
        verifier.at(&by_id, &revision).await;
        let there = (307, Some(file(&initech, "Third")));
        for (owner, name) in [(&acme, "second"), (&acme, "Third"), (&initech, "second")] {
            assert_eq!(asked(&site, &address, &ada, &file(owner, name)), there);
        }
        let secret = file(&initech, "secret");
        assert_eq!(asked(&site, &address, &ada, &secret), (200, None));
        let by_old_owner = asked(&site, &address, &ada, &file(&acme, "secret"));
        assert_eq!(by_old_owner, (307, Some(secret)));
        let check = format!("/api/models/{acme}/second/auth-check");
        let told = get(&site.house, &address, &check, &ada, &[]);
        let there = format!("/api/models/{initech}/Third/auth-check");
        assert_eq!((told.status, told.header("location")), (307, Some(&*there)));
    }
}
