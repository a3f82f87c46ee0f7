//! VerifierService.

use prost_types::Duration;
use tokenward_proto::v1::{
    AccountRef, CheckRequest, RepoKind, RepoRef, Resource, Role, check_request::Caller, resource,
};
use tokenward_tests::house::{House, Store};
use tonic::Code;

use super::assert_refused;
use crate::site::{Site, on_both_stores};

on_both_stores!(a_bad_question_gets_no_verdict, a_revision_is_of_one_log);

fn repo(kind: RepoKind, name: &str, id: &str) -> Option<Resource> {
    Some(Resource {
        resource: Some(resource::Resource::Repo(RepoRef {
            kind: kind.into(),
            name: name.into(),
            id: id.into(),
        })),
    })
}

fn account(name: &str, id: &str) -> Option<Resource> {
    Some(Resource {
        resource: Some(resource::Resource::Account(AccountRef {
            name: name.into(),
            id: id.into(),
        })),
    })
}

async fn a_bad_question_gets_no_verdict(site: Site) {
    let corner = site.corner("b4").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let right = corner.read(&token.secret, "open");
    site.all(&right, &token.revision, "ALLOW").await;
    let of = |resource| CheckRequest {
        resource,
        ..right.clone()
    };
    let by = |permission: &str| CheckRequest {
        permission: permission.into(),
        ..right.clone()
    };
    let from = |min_revision: &str| CheckRequest {
        min_revision: min_revision.into(),
        ..right.clone()
    };
    let aged = |seconds, nanos| CheckRequest {
        max_staleness: Some(Duration { seconds, nanos }),
        ..right.clone()
    };
    let model = RepoKind::Model;
    let table = [
        (
            "nobody",
            CheckRequest {
                caller: None,
                ..right.clone()
            },
            "caller: must be",
        ),
        (
            "an empty token",
            CheckRequest {
                caller: Some(Caller::Token("".into())),
                ..right.clone()
            },
            "token: must not be empty",
        ),
        ("nothing", of(None), "resource: must be"),
        (
            "an empty resource",
            of(Some(Resource::default())),
            "resource: must be",
        ),
        (
            "no kind",
            of(repo(RepoKind::Unspecified, "a/b", "")),
            "resource.repo.kind: must be",
        ),
        (
            "no name",
            of(repo(model, "", "")),
            "resource.repo: must have",
        ),
        (
            "name and id",
            of(repo(model, "a/b", "m")),
            "resource.repo: must have",
        ),
        (
            "half a name",
            of(repo(model, "open", "")),
            "resource.repo.name: must be owner/name",
        ),
        (
            "too much of a name",
            of(repo(model, "a/b/c", "")),
            "resource.repo.name: must be owner/name",
        ),
        (
            "no account",
            of(account("", "")),
            "resource.account: must have",
        ),
        (
            "two accounts",
            of(account("a", "b")),
            "resource.account: must have",
        ),
        ("no permission", by(""), "permission: must be"),
        (
            "an unknown permission",
            by("repo.delete"),
            "permission: must be",
        ),
        ("another case", by("REPO.WRITE"), "permission: must be"),
        ("no revision", from("x"), "min_revision: must be"),
        (
            "half a revision",
            from(token.revision.split_at(8).0),
            "min_revision: must be",
        ),
        ("a negative age", aged(-1, 0), "max_staleness: must not"),
        (
            "a negative part of an age",
            aged(0, -5),
            "max_staleness: must not",
        ),
    ];
    for (what, request, says) in table {
        for verifier in &site.verifiers {
            let answer = verifier.check(&request).await;
            assert_refused(what, answer, Code::InvalidArgument, says);
        }
    }
}

async fn a_revision_is_of_one_log(site: Site) {
    let corner = site.corner("b5").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "open");
    site.all(&question, &token.revision, "ALLOW").await;
    let from = |min_revision: String| CheckRequest {
        min_revision,
        ..question.clone()
    };
    let house = House::new(Store::Embedded);
    let foreign = house.issuer().await.write(corner.operations()).await;
    // A future of this log: its revision's last number, raised.
    let at = token.revision.rfind(|c: char| !c.is_ascii_digit()).unwrap() + 1;
    let (log, number) = token.revision.split_at(at);
    let future = format!("{log}{}", number.parse::<u64>().unwrap() + 1_000_000);
    for verifier in &site.verifiers {
        let answer = verifier.check(&from(foreign.clone())).await;
        assert_refused(
            "another log's",
            answer,
            Code::InvalidArgument,
            "min_revision: is of another log",
        );
        let answer = verifier.check(&from(future.clone())).await;
        assert_refused(
            "a later one",
            answer,
            Code::Unavailable,
            "behind min_revision",
        );
        // Nobody's view is that new.
        let none = CheckRequest {
            max_staleness: Some(Duration::default()),
            ..question.clone()
        };
        assert_refused(
            "no age",
            verifier.check(&none).await,
            Code::Unavailable,
            "past the bound",
        );
    }
}
