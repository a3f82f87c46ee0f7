//! Visits and answers as an issuer's memory takes them.

use super::*;

const LOG: LogId = LogId([1; 16]);

fn at(revision: u64) -> Cursor {
    Cursor {
        log: LOG,
        revision: Revision(revision),
        fingerprint: Fingerprint([2; 16]),
    }
}

fn member(guards: Guards) -> Member {
    Member::new("a".into(), Duration::from_secs(5), false, guards, LOG)
}

fn found(established: bool) -> Tended {
    Tended {
        established: established.then_some(None),
        roster: Roster {
            version: 3,
            members: "a,b".into(),
        },
        head: at(7),
        serial: Serial(9),
        lowest: 3,
        before: Vec::new(),
    }
}

/// A visit that comes first gives back the memory; the next one vouches.
fn come(member: &Member, stream: &str) {
    let keys = Keys::new("hub").unwrap();
    for _ in 0..2 {
        member.visit(&keys, stream, Word::Usual);
        member.visited(stream, Word::Usual, found(true), &Written::proved());
    }
    assert!(member.may_write(stream));
}

#[test]
fn a_late_answer_of_an_older_stream_acknowledges_nothing() {
    let keys = Keys::new("hub").unwrap();
    let roster = Roster::default();
    for fence in [true, false] {
        let member = member(Guards {
            fence,
            ..Guards::ALL
        });
        come(&member, "old");
        let acknowledge = |revision| {
            let told = member.acknowledge("old", &roster, Some(at(revision)), Serial(0));
            told.is_ok()
        };
        assert!(acknowledge(8));
        // From the moment at which it asks to vouch for another.
        member.visit(&keys, "new", Word::Usual);
        assert_eq!(acknowledge(9), !fence);
        come(&member, "new");
        assert_eq!(acknowledge(10), !fence);
        let known = member.known().unwrap().cursor.revision.0;
        assert_eq!(known, if fence { 8 } else { 10 });
    }
}

#[test]
fn who_remembers_nothing_waits_for_the_others() {
    let member = member(Guards::ALL);
    let keys = Keys::new("hub").unwrap();
    member.visit(&keys, "s", Word::Usual);
    member.visited("s", Word::Usual, found(false), &Written::proved());
    assert_eq!(member.known(), None);
    assert!(!member.may_write("s"));
    // An operator's word replaces the memory.
    member.visited("s", Word::AsItIs, found(false), &Written::proved());
    assert_eq!(member.known().unwrap().cursor, at(7));
}

#[test]
fn who_joined_acknowledges_once_the_others_know() {
    let member = member(Guards::ALL);
    let keys = Keys::new("hub").unwrap();
    let behind = || Tended {
        lowest: 2,
        ..found(true)
    };
    for _ in 0..3 {
        member.visit(&keys, "s", Word::Usual);
        member.visited("s", Word::Usual, behind(), &Written::proved());
        assert!(!member.may_write("s"));
    }
    member.visited("s", Word::Usual, found(true), &Written::proved());
    assert!(member.may_write("s"));
}
