//! The directory by the command and by its API: found, listed, deleted, exported; and an import that
//! was killed goes on where its answers ended.

mod import;
mod records;

use std::{collections::BTreeSet, fmt::Write, path::Path};

use serde_json::Value;
use tokenward_proto::v1::ListAuditEventsRequest;
use tokenward_tests::house::{Ended, House, Issuer, Store, tls};

/// An issuer and who commands it.
struct Hub {
    issuer: Issuer,
    house: House,
}

impl Hub {
    async fn new(store: Store) -> Self {
        let house = House::new(store);
        let issuer = house.issuer().await;
        Self { issuer, house }
    }

    fn words(&self, credential: &str, words: &[&str]) -> Vec<String> {
        let file = self.house.path(&format!("{credential}.credential"));
        let mut all = vec!["directory".to_owned()];
        all.extend(words.iter().map(|&word| word.to_owned()));
        all.extend(["--issuer".into(), tls::url(&self.issuer.address)]);
        all.extend(["--credential-file".into(), file.display().to_string()]);
        all
    }

    fn run(&self, credential: &str, words: &[&str]) -> Ended {
        let mut words = self.words(credential, words);
        words.push("--json".into());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.house.tokenward(&words)
    }

    /// What it answers when it goes well.
    fn told(&self, words: &[&str]) -> Value {
        let ended = self.run("feeder", words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.err);
        serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.out))
    }

    fn refused(&self, words: &[&str], code: i32) -> String {
        let ended = self.run("feeder", words);
        assert_eq!(
            ended.code,
            Some(code),
            "{words:?}: {}{}",
            ended.out,
            ended.err
        );
        ended.err
    }

    fn import(&self, name: &str, text: &str) -> Value {
        let path = self.house.path(name);
        std::fs::write(&path, text).unwrap();
        self.told(&["import", &path.display().to_string()])
    }

    /// Batches that were written by imports, by the audit trail.
    async fn imported(&self) -> usize {
        let mut audit = self.issuer.operator().audit;
        let mut request = ListAuditEventsRequest {
            page_size: 1000,
            ..ListAuditEventsRequest::default()
        };
        let mut count = 0;
        loop {
            let page = audit.list_audit_events(request.clone()).await;
            let page = page.unwrap().into_inner();
            let imports = page
                .events
                .iter()
                .filter(|event| event.method == "DirectoryService/Import");
            count += imports.count();
            if !page.more {
                return count;
            }
            request.page_token = page.next_page_token;
        }
    }
}

fn lines(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), text.lines().count(), "twice");
    lines
}

/// One org with a service account, members, a group, a policy, repos and grants, and 250 more users.
fn small() -> String {
    let mut text = String::from(
        r#"{"put_user":{"id":"u1","name":"Ada","display":{"full_name":"Ada L."}}}
{"put_user":{"id":"u2","name":"bob","disabled":true}}
{"put_org":{"id":"o7","name":"acme","display":{"plan":"team"}}}
{"put_user":{"id":"s1","name":"acme-ci","service_account_of":"o7"}}
{"put_member":{"org_id":"o7","user_id":"u1","role":"admin"}}
{"put_member":{"org_id":"o7","user_id":"u2","role":"read"}}
{"put_group":{"id":"g1","org_id":"o7","name":"Research"}}
{"put_group_member":{"group_id":"g1","user_id":"u2","role":"write"}}
{"put_org_policy":{"org_id":"o7","policy":"admin_approval","max_token_lifetime_seconds":86400}}
{"put_repo":{"id":"m2","owner_id":"o7","name":"next","kind":"model","visibility":"private","gate":"none","group_id":"g1"}}
{"put_repo":{"id":"m1","owner_id":"o7","name":"Llama","kind":"model","visibility":"public","gate":"manual","creator_id":"u1"}}
{"put_repo":{"id":"d1","owner_id":"u1","name":"words","kind":"dataset","visibility":"private","gate":"none"}}
{"put_gate_grant":{"repo_id":"m1","user_id":"u2","state":"accepted"}}
"#,
    );
    for n in 10..260 {
        writeln!(text, r#"{{"put_user":{{"id":"u{n}","name":"user-{n}"}}}}"#).unwrap();
    }
    text
}
