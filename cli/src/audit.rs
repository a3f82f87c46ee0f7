//! `tokenward audit` prints who did what, from the issuer's audit trail. It reads page by page, so the
//! whole trail is never in memory.

use std::time::Duration;

use prost_types::Timestamp;
use serde_json::{Map, Value};
use tokenward_common::clock::{Clock, SystemClock, UnixTime};
use tokenward_proto::v1::{
    AuditEvent, ListAuditEventsRequest, audit_service_client::AuditServiceClient,
};

use crate::{
    connect,
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    table::Columns,
    token::{decimal_id, role_word},
    when::{Expiry, show},
};

const EXAMPLES: &str = "\
Examples:
  tokenward audit --since 1h
  tokenward audit --since 2027-01-31T12:00:00Z --json > trail.jsonl
  tokenward audit --since 1m --follow
  tokenward audit --owner ada --method RevokeToken
  tokenward audit --token-id 1042

The oldest event comes first. The issuer keeps the newest 100,000 events. With --json each event is
a line of its own. The credential needs the role audit.";

const PAGE: u32 = 1000;
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Show only events since this time: 1h ago, or a date such as 2027-01-31T12:00:00Z. Without
    /// this option all events are shown.
    #[arg(long, value_name = "WHEN", value_parser = Expiry::parse)]
    since: Option<Expiry>,
    /// Show only events of the owner with this name.
    #[arg(long, value_name = "NAME", conflicts_with = "owner_id")]
    owner: Option<String>,
    /// Show only events of the owner with this account id, even if the owner was deleted.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
    /// Show only events of the token with this id.
    #[arg(long, value_name = "ID")]
    token_id: Option<String>,
    /// Show only calls of this method, such as RevokeToken or DirectoryService/Write.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Show new events as they come, until Ctrl-C.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token_id = args
        .token_id
        .map(|id| decimal_id("--token-id", id))
        .transpose()?
        .unwrap_or_default();
    let (channel, server) = connect::issuer(global).await?;
    let mut audit = AuditServiceClient::new(channel);
    let mut request = ListAuditEventsRequest {
        start_time: args
            .since
            .map(|since| start(&since, SystemClock.unix().seconds())),
        page_size: PAGE,
        page_token: String::new(),
        owner_id: args.owner_id.unwrap_or_default(),
        owner_name: args.owner.unwrap_or_default(),
        token_id,
        method: args.method.unwrap_or_default(),
    };
    let trail = async {
        let mut table = Columns::default();
        let mut head = Some(make_row(&HEAD));
        loop {
            let page = server
                .call(request.clone(), |it| audit.list_audit_events(it))
                .await?;
            if !page.events.is_empty() {
                let rows: Vec<_> = head
                    .take()
                    .into_iter()
                    .chain(page.events.iter().map(row))
                    .collect();
                let values: Vec<_> = page.events.iter().map(json).collect();
                output.part(&table.rows(&rows).concat(), &values)?;
            }
            // Later pages use the owner's id: a name is looked up anew for each page, and may have passed
            // to another account by then.
            if let Some(owner) = page
                .events
                .first()
                .filter(|_| !request.owner_name.is_empty())
            {
                request.owner_name.clear();
                request.owner_id.clone_from(&owner.owner_id);
            }
            request.page_token = page.next_page_token;
            if page.more {
                continue;
            }
            if !args.follow {
                if head.is_some() {
                    output.note("No events.");
                }
                return Ok(Exit::Ok);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        ended = trail => ended,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Ok),
    }
}

/// Returns the start time. A duration means that long before `now`.
fn start(since: &Expiry, now: UnixTime) -> Timestamp {
    match since {
        Expiry::At(at) => *at,
        Expiry::After(ago) => Timestamp {
            seconds: i64::try_from(now.0.saturating_sub(ago.as_secs())).unwrap_or(i64::MAX),
            nanos: 0,
        },
    }
}

const HEAD: [&str; 6] = ["TIME", "CALLER", "METHOD", "OWNER", "TOKEN", "ABOUT"];

fn make_row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

fn row(event: &AuditEvent) -> Vec<String> {
    let mut about = Vec::new();
    if event.role != 0 {
        about.push(role(event));
    }
    if !event.last_four.is_empty() {
        about.push(format!("…{}", event.last_four));
    }
    if !event.key_id.is_empty() {
        about.push(format!("key {}", event.key_id));
    }
    // The event is of a batch, or of several values.
    if event.operations > 0 && event.token_id.is_empty() {
        about.push(format!("{} operations", event.operations));
    }
    if !event.org_id.is_empty() {
        about.push(format!("org {}", event.org_id));
    }
    if !event.reason.is_empty() {
        about.push(format!("because: {}", event.reason));
    }
    if !event.peer.is_empty() {
        about.push(format!("from {}", event.peer));
    }
    // Method names are unique across services, so the service is left out.
    let (_, method) = event.method.split_once('/').unwrap_or(("", &event.method));
    let or_dash = |text: &str| match text {
        "" => "-".to_owned(),
        text => text.to_owned(),
    };
    vec![
        show(event.time.as_ref()),
        or_dash(&event.caller),
        or_dash(method),
        or_dash(&event.owner_id),
        or_dash(&event.token_id),
        about.join(", "),
    ]
}

fn role(event: &AuditEvent) -> String {
    match event.role {
        0 => String::new(),
        _ => role_word(event.role()).to_owned(),
    }
}

/// Returns the event with the API's field names. Absent and empty fields are left out.
fn json(event: &AuditEvent) -> Value {
    let mut object = Map::new();
    for (key, text) in [
        ("id", &event.id),
        (
            "time",
            &event.time.map(|it| it.to_string()).unwrap_or_default(),
        ),
        ("caller", &event.caller),
        ("peer", &event.peer),
        ("method", &event.method),
        ("owner_id", &event.owner_id),
        ("org_id", &event.org_id),
        ("token_id", &event.token_id),
        ("role", &role(event)),
        ("last_four", &event.last_four),
        ("key_id", &event.key_id),
        ("reason", &event.reason),
        ("request_id", &event.request_id),
    ] {
        if !text.is_empty() {
            object.insert(key.to_owned(), text.as_str().into());
        }
    }
    if event.operations > 0 {
        object.insert("operations".into(), event.operations.into());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokenward_proto::v1::Role;

    use super::*;
    use crate::table;

    fn event() -> AuditEvent {
        AuditEvent {
            id: "7-0".into(),
            time: Some(Timestamp {
                seconds: 1_801_396_800,
                nanos: 5_000_000,
            }),
            caller: "hub".into(),
            peer: "127.0.0.1:9".into(),
            method: "TokenService/CreateToken".into(),
            owner_id: "u1".into(),
            token_id: "1042".into(),
            role: Role::Read.into(),
            last_four: "a1b2".into(),
            key_id: "k1".into(),
            ..AuditEvent::default()
        }
    }

    #[test]
    fn events_are_aligned() {
        let leaked = AuditEvent {
            method: "TokenService/RevokeByValue".into(),
            operations: 3,
            reason: "found".into(),
            caller: "finder".into(),
            time: event().time,
            ..AuditEvent::default()
        };
        assert_eq!(
            table::columns(&[make_row(&HEAD), row(&event()), row(&leaked)]),
            "\
TIME                  CALLER  METHOD         OWNER  TOKEN  ABOUT
2027-01-31T12:00:00Z  hub     CreateToken    u1     1042   read, …a1b2, key k1,
                                                           from 127.0.0.1:9
2027-01-31T12:00:00Z  finder  RevokeByValue  -      -      3 operations,
                                                           because: found
"
        );
    }

    #[test]
    fn json_has_the_api_names() {
        assert_eq!(
            json(&event()),
            json!({"id": "7-0", "time": "2027-01-31T12:00:00.005Z", "caller": "hub",
                "peer": "127.0.0.1:9", "method": "TokenService/CreateToken", "owner_id": "u1",
                "token_id": "1042", "role": "read", "last_four": "a1b2", "key_id": "k1"})
        );
    }

    #[test]
    fn a_pasted_secret_is_not_repeated() {
        let id = |id: &str| decimal_id("--token-id", id.into());
        assert_eq!(id("1042").unwrap(), "1042");
        let failure = id("tw_eyJhbGciOiJFZERTQSJ9").unwrap_err();
        assert!(!failure.message.contains("eyJ"), "{failure}");
        assert!(failure.message.starts_with("--token-id: "), "{failure}");
    }

    #[test]
    fn a_duration_is_so_long_ago() {
        let start = |text: &str| start(&Expiry::parse(text).unwrap(), UnixTime(10_000)).seconds;
        assert_eq!(start("1h"), 6_400);
        assert_eq!(start("30d"), 0);
        assert_eq!(start("2027-01-31T12:00:00Z"), 1_801_396_800);
    }
}
