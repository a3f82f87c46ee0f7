//! The table of permission cases, live: each row's hub is written through `DirectoryService`, its token
//! made and changed through `TokenService` and `OrgTokenService`, its question asked of every verifier
//! by `Check`. Verdict, reason and message are the table's, as they are of the pure decision.

mod stage;

use std::{collections::BTreeSet, fmt::Write as _};

use futures_util::{StreamExt as _, stream};
use tokenward_common::{id::KeyId, token::SigningKey};
use tokenward_proto::v1::CheckResponse;
use tokenward_tests::house::word;
use tonic::{Code, Status};

use self::stage::Stage;
use crate::{
    site::Site,
    table::{
        CASES,
        row::{Row, read},
    },
};

const AT_ONCE: usize = 8;

/// Callers that only the pure decision knows, and what the issuer says instead of making them. Raw
/// records can't be written from outside, so these are all there are.
const PURE: [(&str, &str); 7] = [
    (
        "ada fine org:acme=repo.write model:acme/secret=",
        "permissions: must not be empty",
    ),
    (
        "eve fine model:acme/gated=",
        "permissions: must not be empty",
    ),
    (
        "ada fine model:acme/secret=repo.content.read model:acme/secret=repo.write",
        "entity_id: stands twice",
    ),
    (
        "ada fine dataset:acme/secret=repo.write",
        "there is no dataset of this id",
    ),
    (
        "ada fine org:acme=inference.endpoints.infer.write@x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|x|prod-*",
        "endpoint_patterns: must be at most 20",
    ),
    ("ci write", "role: must be fine-grained"),
    (
        "ada fine org:acme=inference.endpoints.infer.write@prod-* org:acme=inference.endpoints.write@test",
        "entity_id: stands twice",
    ),
];

/// What is wrong with what was answered.
fn wrong(row: &Row<'_>, got: &Result<Vec<CheckResponse>, Status>) -> Option<String> {
    let at = format!("line {}: {}", row.number, row.who);
    let pure = PURE.iter().find(|(who, _)| *who == row.who);
    let answers = match (got, pure) {
        (Err(refused), None) if row.invalid && refused.code() == Code::InvalidArgument => {
            let told = row.says.is_none_or(|says| refused.message().contains(says));
            return (!told).then(|| format!("{at}: {}", refused.message()));
        }
        (Err(refused), Some((_, says))) if refused.message().contains(says) => return None,
        (Err(refused), _) => return Some(format!("{at}: {}", refused.message())),
        (Ok(_), Some(_)) => return Some(format!("{at}: was made, and is listed as not to be")),
        (Ok(answers), None) => answers,
    };
    let wanted = match row.invalid {
        true => "INVALIDARGUMENT",
        false => row.refused.unwrap_or("ALLOW"),
    };
    let mut wrong = String::new();
    for answer in answers {
        let is = word(&Ok(answer.clone()));
        let told = row.says.is_none_or(|says| answer.message.contains(says));
        if is != wanted || !told {
            let _ = write!(wrong, "{at}: {is}, not {wanted}: {} ", answer.message);
        }
    }
    (!wrong.is_empty()).then_some(wrong)
}

/// Plays all rows of a table, each in a hub of its own.
async fn wrong_rows(site: &Site, tag: &str, text: &str) -> Vec<String> {
    let pem = std::fs::read(site.house.path("k1.pem")).unwrap();
    let key = SigningKey::from_pkcs8(KeyId::parse("k1").unwrap(), &pem).unwrap();
    let key = &key;
    let plays = read(text).into_iter().map(|row| async move {
        let tag = format!("-{tag}{}", row.number);
        let got = Stage::play(site, key, &tag, &row).await;
        let got = got.map_err(|it| site.house.kept().status("an issuer's error", it));
        wrong(&row, &got)
    });
    let mut plays = stream::iter(plays).buffered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(wrong) = plays.next().await {
        all.extend(wrong);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_answered_as_the_table_says() {
    let site = Site::embedded().await;
    let wrong = wrong_rows(&site, "r", CASES).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // And would be told if it were not.
    let rows = [
        "before\tcaller\tresource\tpermission\tanswer\treason\tsays\tlines\tnote",
        "-\tada read\tmodel ada/own\trepo.content.read\tallow\t-\t-\tH1\tright",
        "-\tada read\tmodel ada/own\trepo.content.read\tdeny\tNOT_FOUND\t-\tH1\tallowed",
        "-\tada read\tmodel ada/own\trepo.write\tdeny\tTOKEN_SCOPE\t-\tH1\tanother reason",
        "-\tada read\tmodel ada/own\trepo.write\tdeny\tTOKEN_ROLE\tno such words\tH1\t-",
        "-\tada fine org:none=repo.write\tmodel ada/own\trepo.write\tdeny\tTOKEN_SCOPE\t-\tH1\tnot made",
        "revoke\tada read\tmodel ada/own\trepo.content.read\tallow\t-\t-\tH1\trevoked",
        "-\tada read\tmodel ada/own\trepo.write\tdeny\tTOKEN_ROLE\trole is read\tH1\tright",
        "-\tada read\tmodel ada/own\torg.read\tinvalid\t-\tno such words\tH1\tother words",
        "-\tada read\tmodel ada/own\trepo.content.read\tinvalid\t-\t-\tH1\ta question",
        "-\tada read\tmodel ada/own\torg.read\tinvalid\t-\ton org\tH1\tright",
    ];
    let wrong = wrong_rows(&site, "w", &rows.join("\n")).await;
    let lines: Vec<_> = wrong
        .iter()
        .map(|it| it.split(':').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "line 3", "line 4", "line 5", "line 6", "line 7", "line 9", "line 10"
        ]
    );
}

/// What is kept from the live run is in the table, and is little.
#[test]
fn what_only_the_pure_decision_knows_is_listed() {
    let rows = read(CASES);
    let callers: BTreeSet<_> = rows.iter().map(|row| row.who).collect();
    for (who, _) in PURE {
        assert!(callers.contains(who), "{who}: no row");
    }
    let count = rows
        .iter()
        .filter(|row| PURE.iter().any(|(who, _)| *who == row.who))
        .count();
    assert!(count <= 10, "{count} of {} rows", rows.len());
}
