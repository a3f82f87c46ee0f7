//! TokenService.

use prost_types::Timestamp;
use tokenward_proto::v1::{
    CreateTokenRequest, EntityKind, GetTokenRequest, ListTokensRequest, RevokeTokenRequest, Role,
    Scope, Scopes,
};
use tonic::Code;

use super::assert_refused;
use crate::site::Site;

fn scope(kind: EntityKind, id: &str, permissions: &[&str]) -> Scope {
    Scope {
        entity_kind: kind.into(),
        entity_id: id.into(),
        permissions: permissions.iter().map(|&it| it.to_owned()).collect(),
        ..Scope::default()
    }
}

fn scopes(scoped: Vec<Scope>) -> Option<Scopes> {
    Some(Scopes {
        scoped,
        ..Scopes::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_mint_changes_nothing() {
    let site = Site::embedded().await;
    let corner = site.corner("b1").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "taken", Role::Read).await;
    let right = CreateTokenRequest {
        owner_id: ada.clone(),
        name: "t".into(),
        role: Role::Read.into(),
        ..CreateTokenRequest::default()
    };
    let fine = CreateTokenRequest {
        role: Role::FineGrained.into(),
        ..right.clone()
    };
    let with = |it: Vec<Scope>| CreateTokenRequest {
        scopes: scopes(it),
        ..fine.clone()
    };
    let at = |seconds| CreateTokenRequest {
        expire_time: Some(Timestamp { seconds, nanos: 0 }),
        ..right.clone()
    };
    let model = corner.of("m-secret");
    let r = || right.clone();
    let bad = Code::InvalidArgument;
    let table: Vec<(&str, CreateTokenRequest, Code, &str)> = vec![
        (
            "no owner",
            CreateTokenRequest {
                owner_id: "".into(),
                ..r()
            },
            bad,
            "owner_id: set",
        ),
        (
            "both owners",
            CreateTokenRequest {
                owner_name: "ada".into(),
                ..r()
            },
            bad,
            "not both",
        ),
        (
            "a bad id",
            CreateTokenRequest {
                owner_id: "u/ada".into(),
                ..r()
            },
            bad,
            "owner_id: may hold",
        ),
        (
            "a long id",
            CreateTokenRequest {
                owner_id: "u".repeat(65),
                ..r()
            },
            bad,
            "owner_id: must be at most 64",
        ),
        (
            "no such owner",
            CreateTokenRequest {
                owner_id: "nobody".into(),
                ..r()
            },
            Code::NotFound,
            "owner: there is no",
        ),
        (
            "an org",
            CreateTokenRequest {
                owner_id: corner.of("o-acme"),
                ..r()
            },
            bad,
            "owner: is an org",
        ),
        (
            "no name",
            CreateTokenRequest {
                name: "".into(),
                ..r()
            },
            bad,
            "name: must be 1 to 100",
        ),
        (
            "a long name",
            CreateTokenRequest {
                name: "n".repeat(101),
                ..r()
            },
            bad,
            "name: must be 1 to 100",
        ),
        (
            "a name of spaces",
            CreateTokenRequest {
                name: " ".into(),
                ..r()
            },
            bad,
            "name: must not begin",
        ),
        (
            "a name with a bell",
            CreateTokenRequest {
                name: "a\u{7}b".into(),
                ..r()
            },
            bad,
            "name: must not hold control characters",
        ),
        (
            "a taken name",
            CreateTokenRequest {
                name: "taken".into(),
                ..r()
            },
            Code::AlreadyExists,
            "name: is a live token's",
        ),
        (
            "no role",
            CreateTokenRequest { role: 0, ..r() },
            bad,
            "role: must be",
        ),
        (
            "an unknown role",
            CreateTokenRequest { role: 9, ..r() },
            bad,
            "role: must be",
        ),
        (
            "a negative role",
            CreateTokenRequest { role: -1, ..r() },
            bad,
            "role: must be",
        ),
        (
            "a request id with a space",
            CreateTokenRequest {
                request_id: "a b".into(),
                ..r()
            },
            bad,
            "request_id: may hold",
        ),
        (
            "a long request id",
            CreateTokenRequest {
                request_id: "r".repeat(65),
                ..r()
            },
            bad,
            "request_id: must be at most 64",
        ),
        (
            "expiry in the past",
            at(1),
            bad,
            "expire_time: must be in the future",
        ),
        ("expiry before time", at(-1), bad, "expire_time: must be"),
        (
            "expiry after all",
            at(300_000_000_000),
            bad,
            "expire_time: must be a time before",
        ),
        (
            "scopes without the role",
            CreateTokenRequest {
                scopes: scopes(vec![scope(EntityKind::Model, &model, &["repo.write"])]),
                ..r()
            },
            bad,
            "scopes: go with",
        ),
        (
            "a scope on nothing",
            with(vec![scope(
                EntityKind::Unspecified,
                &model,
                &["repo.write"],
            )]),
            bad,
            "scopes.scoped[0].entity_kind: must be",
        ),
        (
            "a scope on no id",
            with(vec![scope(EntityKind::Model, "", &["repo.write"])]),
            bad,
            "scopes.scoped[0].entity_id: must not be empty",
        ),
        (
            "a scope on what isn't there",
            with(vec![scope(EntityKind::Model, "m-none", &["repo.write"])]),
            bad,
            "there is no model",
        ),
        (
            "a scope of another kind",
            with(vec![scope(EntityKind::Dataset, &model, &["repo.write"])]),
            bad,
            "there is no dataset",
        ),
        (
            "a scope on another user",
            with(vec![scope(
                EntityKind::User,
                &corner.user_id("grace"),
                &["repo.write"],
            )]),
            bad,
            "must be the owner's own",
        ),
        (
            "a scope without permissions",
            with(vec![scope(EntityKind::Model, &model, &[])]),
            bad,
            "permissions: must not be empty",
        ),
        (
            "a permission with a space",
            with(vec![scope(EntityKind::Model, &model, &["repo write"])]),
            bad,
            "permissions: must be dotted",
        ),
        (
            "one entity twice",
            with(vec![
                scope(EntityKind::Model, &model, &["repo.write"]),
                scope(EntityKind::Model, &model, &["repo.write"]),
            ]),
            bad,
            "scopes.scoped[1].entity_id: stands twice",
        ),
        (
            "101 scopes",
            with(vec![Scope::default(); 101]),
            bad,
            "scopes.scoped: must be at most 100",
        ),
    ];
    for (what, request, code, says) in table {
        assert_refused(
            what,
            site.issuer().operator().create(request).await,
            code,
            says,
        );
    }
    assert_eq!(site.issuer().tokens(&ada).await.len(), 1);
    // The next one follows on the last: not even a serial was used.
    let next = site.issuer().mint(&ada, "next", Role::Read).await;
    let number = |id: &str| id.parse::<u64>().unwrap();
    assert_eq!(number(&next.id), number(&token.id) + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_reads_and_revocations_change_nothing() {
    let site = Site::embedded().await;
    let corner = site.corner("b2").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let mut operator = site.issuer().operator();
    let bad = Code::InvalidArgument;
    for (id, code, says) in [
        ("", bad, "token_id: must be"),
        ("0", bad, "token_id: must be"),
        ("01", bad, "token_id: must be"),
        ("+1", bad, "token_id: must be"),
        ("1e3", bad, "token_id: must be"),
        ("99999999999999999999", bad, "token_id: must be"),
        (token.secret.as_str(), bad, "token_id: must be"),
        ("4711", Code::NotFound, "there is no token 4711"),
    ] {
        let revoke = RevokeTokenRequest {
            request_id: String::new(),
            token_id: id.into(),
            ..Default::default()
        };
        assert_refused(id, operator.revoke(revoke).await, code, says);
        let get = GetTokenRequest {
            token_id: id.into(),
        };
        let got = operator.tokens.get_token(get).await;
        let got = got.map_err(|it| site.house.kept().status("an issuer's error", it));
        assert_refused(id, got, code, says);
    }
    let right = ListTokensRequest {
        owner_id: ada.clone(),
        ..ListTokensRequest::default()
    };
    for (what, request, code, says) in [
        (
            "a large page",
            ListTokensRequest {
                page_size: 1001,
                ..right.clone()
            },
            bad,
            "page_size: must be at most 1000",
        ),
        (
            "a made-up page",
            ListTokensRequest {
                page_token: "x".into(),
                ..right.clone()
            },
            bad,
            "page_token: must be",
        ),
        (
            "no owner",
            ListTokensRequest::default(),
            bad,
            "owner_id: set",
        ),
        (
            "both owners",
            ListTokensRequest {
                owner_name: "ada".into(),
                ..right.clone()
            },
            bad,
            "not both",
        ),
        (
            "nobody",
            ListTokensRequest {
                owner_id: "nobody".into(),
                ..right
            },
            Code::NotFound,
            "there is no such user",
        ),
    ] {
        assert_refused(what, operator.list(request).await, code, says);
    }
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
}
