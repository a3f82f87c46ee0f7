use super::*;

#[test]
fn a_page_token_belongs_to_its_question() {
    let mut request = pb::ListRequest {
        kind: 3,
        org_id: "o7".into(),
        ..Default::default()
    };
    assert_eq!(PageToken::parse(&request), Ok(None));
    let token = PageToken {
        identity: 0x0102_0304_0506_0708,
        place: Place {
            major: 9,
            minor: (10, u32::MAX),
        },
    };
    request.page_token = token.text(&request);
    request.page_size = 7;
    assert_eq!(PageToken::parse(&request), Ok(Some(token)));
    request.user_id = "u1".into();
    let refused = PageToken::parse(&request).unwrap_err().to_string();
    assert!(
        refused.starts_with("page_token: was given for another"),
        "{refused}"
    );
    for bad in ["x", "00", &"0".repeat(58), &"g".repeat(56)] {
        request.page_token = bad.into();
        let refused = PageToken::parse(&request).unwrap_err().to_string();
        assert!(
            refused.starts_with("page_token: must be one"),
            "{bad}: {refused}"
        );
    }
}

#[test]
fn filters_belong_to_kinds() {
    let refused = |kind, field: &str| {
        let mut request = pb::ListRequest {
            kind,
            ..Default::default()
        };
        match field {
            "org_id" => request.org_id = "o".into(),
            "user_id" => request.user_id = "u".into(),
            "owner_id" => request.owner_id = "o".into(),
            "group_id" => request.group_id = "g".into(),
            _ => request.repo_id = "r".into(),
        }
        match selection(&request) {
            Ok(_) => false,
            Err(problem) => {
                let text = problem.to_string();
                assert!(text.starts_with(field) || matches!(kind, 0 | 9), "{text}");
                true
            }
        }
    };
    let fields = ["org_id", "user_id", "owner_id", "repo_id", "group_id"];
    let rows = [
        (0, [true, true, true, true, true]),
        (1, [false, true, true, true, true]),
        (2, [true, true, true, true, true]),
        (3, [false, false, true, true, true]),
        (4, [true, true, false, true, true]),
        (5, [true, false, true, false, true]),
        (6, [false, true, true, true, true]),
        (7, [true, false, true, true, false]),
        (8, [true, true, true, true, true]),
        (9, [true, true, true, true, true]),
    ];
    for (kind, row) in rows {
        assert_eq!(fields.map(|field| refused(kind, field)), row, "{kind}");
    }
}

#[test]
fn keys_name_the_field_that_is_wrong() {
    use pb::record_key::Key;
    let wrong = |key| named(Some(pb::RecordKey { key })).unwrap_err().to_string();
    assert_eq!(wrong(None), "key: must be set");
    assert_eq!(
        wrong(Some(Key::UserId(String::new()))),
        "key.user_id: must not be empty"
    );
    let member = pb::MemberKey {
        org_id: "o".into(),
        user_id: "a/b".into(),
    };
    assert!(wrong(Some(Key::Member(member))).starts_with("key.member.user_id: may hold"));
    let repo = |kind, name: &str| {
        let name = name.into();
        Some(Key::RepoName(pb::RepoName { kind, name }))
    };
    assert!(wrong(repo(0, "a/b")).starts_with("key.repo_name.kind: "));
    assert!(wrong(repo(1, "ab")).starts_with("key.repo_name.name: must be owner/name"));
    assert!(wrong(repo(1, "a/b/c")).starts_with("key.repo_name.name: may hold only"));
}
