//! A realm that was lost comes back from its backup, under verifiers that followed the lost one.

use std::collections::BTreeSet;

use tokenward_proto::v1::{CreateTokenRequest, Role};
use tokenward_tests::house::{Ended, Feed, House, Redis};
use tonic::Code;

use crate::site::Site;

/// What a realm may lose and what it may not, in a site that lives through it.
struct Loss {
    site: Site,
    file: String,
}

impl Loss {
    fn new(site: Site) -> Self {
        let file = site.house.path("hub.backup").display().to_string();
        Self { site, file }
    }

    async fn back_up(&self) -> Ended {
        let (house, file) = (self.site.house.clone(), self.file.clone());
        let command = move || house.tokenward_realm(&["backup", "--to", &file]);
        tokio::task::spawn_blocking(command).await.unwrap()
    }

    fn restore(&self) {
        let ended = self
            .site
            .house
            .tokenward_realm(&["restore", "--from", &self.file]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }

    fn kill_issuers(&mut self) {
        for issuer in &mut self.site.issuers {
            issuer.program.kill();
        }
    }

    /// A backup is made, more happens, everything is lost, and the backup is restored.
    async fn comes_back(mut self, is_online: bool, lose: impl Fn(&House)) {
        let corner = self.site.corner("b1").await;
        let (ada, grace) = (corner.user_id("ada"), corner.user_id("grace"));
        let kept = self.site.issuer().mint(&ada, "kept", Role::Read).await;
        let revoked = self.site.issuer().mint(&ada, "revoked", Role::Read).await;
        self.site.issuer().revoke(&revoked.id).await;
        let mut ids = BTreeSet::from([kept.id.clone(), revoked.id.clone()]);

        if is_online {
            // Issuers go on while the backup is made.
            let issuer = self.site.issuer();
            let (ended, minted) = tokio::join!(self.back_up(), async {
                let mut minted = Vec::new();
                for number in 0..20 {
                    let name = format!("meanwhile {number}");
                    minted.push(issuer.mint(&grace, &name, Role::Read).await);
                }
                minted
            });
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            ids.extend(minted.into_iter().map(|token| token.id));
        } else {
            let refused = self.back_up().await;
            assert_eq!(refused.code, Some(7), "{}", refused.err);
            assert!(refused.err.contains("stop the issuer"), "{}", refused.err);
            self.kill_issuers();
            let ended = self.back_up().await;
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            for issuer in &mut self.site.issuers {
                issuer.restart().await;
            }
        }
        let late = self.site.issuer().mint(&ada, "late", Role::Read).await;
        ids.insert(late.id.clone());
        let live = corner.read(&late.secret, "secret");
        self.site.all(&live, &late.revision, "ALLOW").await;

        self.kill_issuers();
        lose(&self.site.house);
        self.restore();
        for issuer in &mut self.site.issuers {
            issuer.restart().await;
        }
        let site = &mut self.site;
        // A number that no token had, of those of the backup and of those after it.
        let new = site.issuer().mint(&ada, "new", Role::Read).await;
        let number = |id: &str| id.parse::<u64>().unwrap();
        assert!(number(&new.id) > 1 << 20, "{}", new.id);
        assert!(ids.iter().all(|id| number(id) < number(&new.id)));
        let again = site.issuer().mint(&ada, "newer", Role::Read).await;
        assert_ne!(again.id, new.id);
        // Judged by verifiers that followed the lost history, and by one that didn't.
        if is_online {
            let fresh = site.house.verifier(Feed::Redis).await;
            site.verifiers.push(fresh);
        }
        let question = |secret: &str| corner.read(secret, "secret");
        for (token, wanted) in [
            (&new, "ALLOW"),
            (&kept, "ALLOW"),
            (&revoked, "TOKEN_REVOKED"),
            (&late, "ALLOW"),
        ] {
            let question = question(&token.secret);
            site.all(&question, &again.revision, wanted).await;
        }
        // Its issuers know the tokens, their names and the directory as before.
        let states = site.issuer().tokens(&ada).await;
        let state = |id: &str| states.iter().find(|it| it.id == id).map(|it| it.state());
        let word = |id: &str| state(id).map(|it| it.as_str_name());
        assert_eq!(word(&kept.id), Some("TOKEN_STATE_ACTIVE"));
        assert_eq!(word(&revoked.id), Some("TOKEN_STATE_REVOKED"));
        let mut operator = site.issuer().operator();
        let taken = operator.create(CreateTokenRequest {
            owner_id: ada.clone(),
            name: "kept".into(),
            role: Role::Read.into(),
            ..CreateTokenRequest::default()
        });
        assert_eq!(taken.await.unwrap_err().code(), Code::AlreadyExists);
        site.issuer().write(corner.operations()).await;
        let revision = site.issuer().revoke(&kept.id).await;
        site.all(&question(&kept.secret), &revision, "TOKEN_REVOKED")
            .await;
        site.all(&question(&new.secret), &revision, "ALLOW").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realm_in_redis_comes_back_from_its_backup() {
    let redis = Redis::start();
    let site = Site::on_redis(House::on(&redis), &[]).await;
    Loss::new(site)
        .comes_back(true, |house| {
            let realm = house.tokenward_realm(&["create"]);
            assert_eq!(realm.code, Some(6), "{}", realm.err);
            redis.ask(&["flushall"]);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realm_in_a_file_comes_back_from_its_backup() {
    let site = Site::embedded().await;
    Loss::new(site)
        .comes_back(false, |house| {
            std::fs::remove_file(house.path("hub.redb")).unwrap();
        })
        .await;
}
