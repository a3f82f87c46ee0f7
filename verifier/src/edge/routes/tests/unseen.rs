//! Tests what a request needs whose body the door is not shown.

use super::*;

/// Only a body that is not shown counts as an upload. One that arrived and can't be read is refused.
#[test]
fn a_batch_that_is_not_shown_is_an_upload() {
    let table = hub();
    for target in [
        "/a/b.git/info/lfs/objects/batch",
        "/datasets/a/b/info/lfs/objects/batch",
        "/gpt2.git/info/lfs/objects/batch",
    ] {
        let route = |body| table.find(&asked("POST", target, body));
        let unseen = told(route(Body::Unseen));
        assert!(unseen.contains("repo.content.read & "), "{unseen}");
        assert!(unseen.ends_with("repo.content.write"), "{unseen}");
        // A door that can get the body must get it.
        assert_eq!(route(Body::Absent), Err(Unrouted::NeedsBody));
        assert_eq!(route(Body::TooLong), Err(Unrouted::BodyTooLong));
        for unreadable in [
            "",
            "{",
            "[]",
            "null",
            r#"{"operation":1}"#,
            r#"{"operation":"upload","operation":"upload"}"#,
            r#"{"Operation":"upload"}"#,
            "\u{feff}{}",
        ] {
            let route = route(Body::Whole(unreadable.as_bytes()));
            assert!(matches!(route, Err(Unrouted::Body(_))), "{unreadable}");
        }
        let seen = route(Body::Whole(br#"{"operation":"upload"}"#)).unwrap();
        assert!(!seen.unseen);
    }
}

#[test]
fn of_a_repo_that_is_to_be_made_nothing_is_known_unseen() {
    let table = hub();
    for row in [
        "POST /api/repos/create",
        "POST /api/repos/move",
        "DELETE /api/repos/delete",
        "POST /api/collections",
    ] {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.find(&asked(method, target, Body::Unseen));
        assert_eq!(route, Err(Unrouted::NeedsBody), "{row}");
    }
}

/// A request without a body may be any of them. BATCH stands for one path.
#[test]
fn what_is_not_shown_takes_all_that_the_shown_could() {
    let rows = [
        (
            "BATCH body.absent repo:repo.content.write & repo:repo.content.read\nREAD\nWRITE",
            "",
        ),
        (
            "BATCH body.absent repo:repo.content.read\nREAD\nWRITE",
            "line 3: needs: without a body this could be asked for too, so the rule above for \
             body.absent must take repo:repo.content.write",
        ),
        ("BATCH body.absent identity\nREAD", "must take permissions"),
        (
            "BATCH body.absent visitor\nBATCH body.operation=x identity",
            "must take identity",
        ),
        (
            "BATCH body.absent open\n* /{prefix}/{id}/batch body.operation=x identity",
            "must take identity",
        ),
        (
            "POST /a body.absent self:repo.write\nPOST /a - body.organization:repo.write",
            "must take body.organization:repo.write",
        ),
        // These rules have another path or another method, or don't read the body.
        (
            "BATCH body.absent open\nPOST /x/{any} body.operation=x identity\n\
             PUT /{prefix}/{id}/batch body.operation=x identity\nBATCH - identity",
            "",
        ),
        (
            "READ\nBATCH body.absent repo:repo.content.read",
            "must stand above the rules of its path",
        ),
        (
            "POST /a body.absent body.organization:repo.write",
            "no body that could name",
        ),
        (
            "POST /a body.absent,body.operation=x open",
            "never hold together",
        ),
        ("POST /a body.empty open", "or body.absent"),
        // The hub's own rules are checked too. The rules before them are the operator's.
        (
            "LFS body.absent repo:repo.content.read\n@include hub",
            "line 2: @include hub: line ",
        ),
        ("LFS body.operation=x repo:repo.write\n@include hub", ""),
        (
            "@include hub\nLFS body.absent repo:repo.write",
            "must stand above",
        ),
    ];
    let written = [
        (
            "READ",
            "BATCH body.operation=download repo:repo.content.read",
        ),
        (
            "WRITE",
            "BATCH body.operation=upload repo:repo.content.write",
        ),
        ("BATCH", "POST /{prefix}/{id}/batch"),
        ("LFS", "POST /{prefix}/{id.git}/info/lfs/objects/batch"),
    ];
    for (short, told) in rows {
        let text = written
            .iter()
            .fold(short.to_owned(), |text, (short, long)| {
                text.replace(short, long)
            });
        match Table::parse(&text) {
            Ok(_) => assert_eq!(told, "", "{text}"),
            Err(mistakes) => {
                let said = mistakes[0].to_string();
                assert!(!told.is_empty() && said.contains(told), "{text}: {said}");
            }
        }
    }
}
