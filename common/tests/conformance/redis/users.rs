//! The users of `deploy/redis/users.acl`: what a verifier's may call, and nothing else.

use std::path::Path;

use ::redis::{Client, FromRedisValue as _, RedisError, Value, cmd};

use super::server::Server;

/// Every command that the feed calls; each is tried by the suites as this user.
const VERIFIERS: [&str; 15] = [
    "cluster|keyslot",
    "cluster|slots",
    "fcall",
    "get",
    "hget",
    "hgetall",
    "hlen",
    "hset",
    "info",
    "ping",
    "smembers",
    "time",
    "wait",
    "xrange",
    "xread",
];

/// What no rule takes away.
const ANYBODYS: [&str; 4] = ["auth", "hello", "quit", "reset"];

#[test]
fn every_other_command_is_refused_to_a_verifiers_user() {
    let server = Server::start(&[]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/redis/users.acl");
    let text = std::fs::read_to_string(file).unwrap();
    let rules = text
        .lines()
        .find_map(|line| line.strip_prefix("user verifier "));
    let words: Vec<_> = rules.unwrap().split_whitespace().collect();
    assert_eq!(
        server.ask(&[&["acl", "setuser", "verifier"], &*words].concat()),
        "OK"
    );
    let mut connection = Client::open(server.url())
        .unwrap()
        .get_connection()
        .unwrap();
    let mut acl = |words: &[&str]| -> Result<Value, RedisError> {
        cmd("ACL").arg(words).query(&mut connection)
    };
    let list = |value: Value| Vec::<String>::from_redis_value(value).unwrap();
    let mut allowed = Vec::new();
    // All commands and their parts, by category.
    for category in list(acl(&["cat"]).unwrap()) {
        allowed.extend(list(acl(&["cat", &category]).unwrap()));
    }
    allowed.sort();
    allowed.dedup();
    assert!(allowed.len() > 300, "{}", allowed.len());
    // As many arguments as each takes: its number is compared before the rights.
    allowed.retain(|command| {
        let parts: Vec<_> = command.split('|').collect();
        (0..8).any(|more| {
            let padded = [&["dryrun", "verifier"], &*parts, &vec!["1"; more]].concat();
            match acl(&padded) {
                Ok(Value::Okay) => true,
                // A key that it may not see is told only of a command that it may call.
                Ok(told) => String::from_redis_value(told).unwrap().contains("access"),
                Err(_) => false,
            }
        })
    });
    let all = [ANYBODYS.as_slice(), &VERIFIERS].concat();
    allowed.retain(|command| !all.contains(&command.as_str()));
    assert_eq!(allowed, Vec::<String>::new());
}
