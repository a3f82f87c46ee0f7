use tokenward_common::id::{LogId, Revision};

use super::*;

const TEXT: &[u8] = b"{\"delete_user\":\"u1\"}\n{\"delete_user\":\"u2\"}\n";

fn head(log: u8, revision: u64) -> RevisionToken {
    RevisionToken {
        log: LogId([log; 16]),
        revision: Revision(revision),
    }
}

fn tally() -> Tally {
    Tally {
        end: Mark {
            line: 1,
            offset: 21,
            digest: Sha256::digest(&TEXT[..21]).into(),
        },
        operations: u64::MAX,
        batches: 2,
        refused_here: 3,
        refused_there: 4,
        revision: head(7, 40).to_string(),
    }
}

fn said<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    let failure = result.unwrap_err();
    assert!(!failure.next.is_empty(), "{failure}");
    failure.message
}

#[test]
fn an_import_goes_on_where_it_stopped_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.jsonl.progress");
    let open = |length, restart| Progress::open(path.clone(), length, restart);
    let length = TEXT.len() as u64;
    {
        let mut first = open(length, false).unwrap();
        assert_eq!(first.before, Tally::default());
        assert!(said(open(length, false)).contains("held by another import"));
        first.verify(&mut &*TEXT).unwrap().unwrap();
        first.settle_realm(head(7, 3)).unwrap();
        let mut longer = tally();
        longer.end.offset = u64::MAX;
        first.note(&longer).unwrap();
        // The line is overwritten in place: the file's length stays the same for any numbers.
        first.note(&tally()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 512);
    }
    let mut again = open(length, false).unwrap();
    assert_eq!(again.before, tally());
    again.verify(&mut &*TEXT).unwrap().unwrap();
    again.settle_realm(head(7, 40)).unwrap();
    assert!(said(again.settle_realm(head(8, 40))).contains("another realm"));
    assert!(said(again.settle_realm(head(7, 39))).contains("no longer knows"));
    // These inputs were changed within the settled part, cut short, or extended.
    let mut other = TEXT.to_vec();
    other[5] ^= 1;
    for input in [&other[..], &TEXT[..20]] {
        let refused = again.verify(&mut &*input).unwrap();
        assert!(said(refused.map(drop)).contains("changed"));
    }
    drop(again);
    assert!(said(open(length + 1, false)).contains("changed"));
    let anew = open(length + 1, true).unwrap();
    assert_eq!(anew.before, Tally::default());
    anew.finish().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.jsonl");
    for text in [TEXT, b"\xff", b"{\"tokenward_import\":2}", &[b' '; 9000]] {
        std::fs::write(&path, text).unwrap();
        for restart in [false, true] {
            let refused = Progress::open(path.clone(), 1, restart);
            assert!(said(refused).contains("is no import's progress file"));
        }
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
    let nowhere = dir.path().join("none/progress");
    assert!(said(Progress::open(nowhere, 1, false)).contains("can't be used"));
}
