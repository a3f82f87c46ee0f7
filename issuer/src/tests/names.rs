//! Tests names after a deletion: each is free again, or the error names the account that has it.

use pb::operation::Operation as Op;

use super::*;

struct World {
    issuer: Issuer,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        let issuer = Issuer::new();
        let stop = issuer.follow();
        Self { issuer, stop }
    }

    async fn write(&self, operations: Vec<Op>) -> Result<(), Problem> {
        let directory = Directory {
            store: Arc::clone(&self.issuer.store) as Arc<dyn Store>,
            replica: Arc::clone(&self.issuer.replica),
        };
        let operations = operations.into_iter().map(|it| pb::Operation {
            operation: Some(it),
            ..pb::Operation::default()
        });
        let head = self.issuer.store.head().await.unwrap().cursor;
        self.issuer.replica.reached(head.log, head.revision).await;
        let written = directory.write(&request(), operations.collect()).await;
        written.map(drop)
    }

    async fn refused(&self, operation: Op) -> String {
        self.write(vec![operation]).await.unwrap_err().to_string()
    }

    /// Returns the id of the account that has the name now.
    async fn holder(&self, name: &str) -> Option<String> {
        let head = self.issuer.store.head().await.unwrap().cursor;
        self.issuer.replica.reached(head.log, head.revision).await;
        let view = self.issuer.replica.view().unwrap();
        let account = view.state.account_by_name(name)?;
        Some(view.state.account(account)?.id().to_string())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn user(id: &str, name: &str, service_account_of: &str) -> Op {
    Op::PutUser(pb::User {
        id: id.into(),
        name: name.into(),
        service_account_of: service_account_of.into(),
        ..pb::User::default()
    })
}

fn org(id: &str, name: &str) -> Op {
    Op::PutOrg(pb::Org {
        id: id.into(),
        name: name.into(),
        display: None,
    })
}

fn model(id: &str, owner: &str, name: &str) -> Op {
    Op::PutRepo(pb::Repo {
        id: id.into(),
        kind: pb::RepoKind::Model.into(),
        owner_id: owner.into(),
        name: name.into(),
        visibility: pb::Visibility::Private.into(),
        gate: pb::GateMode::None.into(),
        ..pb::Repo::default()
    })
}

#[tokio::test]
async fn a_service_account_that_ended_with_its_org_has_its_name_until_it_is_deleted() {
    let world = World::new();
    let hub = vec![
        org("o1", "acme"),
        org("o2", "initech"),
        user("s1", "acme-ci", "o1"),
    ];
    world.write(hub).await.unwrap();
    world.write(vec![Op::DeleteOrg("o1".into())]).await.unwrap();
    assert_eq!(world.holder("acme-ci").await, None);
    for (wanted, at) in [
        (user("u1", "acme-ci", ""), "put_user"),
        (user("s2", "ACME-CI", "o2"), "put_user"),
        (org("o3", "Acme-ci"), "put_org"),
    ] {
        let told = world.refused(wanted).await;
        let expected = format!(
            "operations[0].{at}.name: is still that of the service account s1, which ended with its \
             org: delete that account first (delete_user)"
        );
        assert_eq!(told, expected);
    }
    // The deleted org's own name is free.
    world.write(vec![user("u2", "acme", "")]).await.unwrap();
    let delete = Op::DeleteUser("s1".into());
    world.write(vec![delete]).await.unwrap();
    let new = user("u1", "acme-ci", "");
    world.write(vec![new]).await.unwrap();
    assert_eq!(world.holder("acme-ci").await.as_deref(), Some("u1"));
}

/// The name can be taken within the batch of the deletion.
#[tokio::test]
async fn a_deleted_service_accounts_name_can_be_taken_at_once() {
    let world = World::new();
    let hub = vec![org("o1", "acme"), user("s1", "acme-ci", "o1")];
    world.write(hub).await.unwrap();
    world.write(vec![Op::DeleteOrg("o1".into())]).await.unwrap();
    let delete = Op::DeleteUser("s1".into());
    let both = vec![delete, user("u1", "acme-ci", "")];
    world.write(both).await.unwrap();
    assert_eq!(world.holder("acme-ci").await.as_deref(), Some("u1"));
}

#[tokio::test]
async fn every_other_name_is_free_after_its_deletion() {
    let world = World::new();
    let hub = vec![
        org("o1", "acme"),
        user("u1", "ada", ""),
        model("m1", "o1", "llama"),
    ];
    world.write(hub).await.unwrap();
    // Both records now have an old name and a present one.
    world.write(vec![model("m1", "o1", "b")]).await.unwrap();
    world.write(vec![user("u1", "lovelace", "")]).await.unwrap();
    let delete = vec![Op::DeleteRepo("m1".into()), Op::DeleteUser("u1".into())];
    world.write(delete).await.unwrap();
    for operation in [
        model("m2", "o1", "llama"),
        model("m3", "o1", "b"),
        user("u2", "ada", ""),
        user("u3", "lovelace", ""),
    ] {
        let text = format!("{operation:?}");
        let written = world.write(vec![operation]).await;
        assert_eq!(written, Ok(()), "{text}");
    }
    // A repo of a deleted owner is moved to another owner.
    world.write(vec![Op::DeleteOrg("o1".into())]).await.unwrap();
    world.write(vec![model("m2", "u2", "llama")]).await.unwrap();
    let taken = world.refused(model("m4", "u2", "Llama")).await;
    assert_eq!(taken, "operations[0].put_repo.name: is taken");
    world.write(vec![org("o2", "acme")]).await.unwrap();
    world.write(vec![model("m5", "o2", "b")]).await.unwrap();
}
