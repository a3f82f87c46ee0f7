mod guard;

use std::{borrow::Cow, io, path::Path};

use clap::{CommandFactory as _, Parser as _};

use super::*;

fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/credential") => Ok("hunter2\n".into()),
        Some("/feed") => Ok("redis://u:hunter2@127.0.0.1/\n".into()),
        Some("/empty") => Ok("\n".into()),
        Some("/routes.tsv") => Ok("@include hub\nGET /x - open\n".into()),
        Some("/wrong.tsv") => Ok("GET /x - open\nGET /y - all\nGET z - open\n".into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn build(line: &str) -> Result<Config, Mistakes> {
    let args =
        Args::parse_from(std::iter::once("tokenward-verifier").chain(line.split_whitespace()));
    let host = Host {
        hostname: "host".into(),
        process: 7,
        cores: 3,
        read: &read,
    };
    Config::build(args, &host)
}

const NO_KEYS: &str = "--realm hub --issuer https://tokens.example --feed redis://127.0.0.1/";
const LEAST: &str = "--realm hub --issuer https://tokens.example --jwks /keys.json";

fn with(more: &str) -> Result<Config, Mistakes> {
    build(&format!("{LEAST} --feed redis://127.0.0.1/ {more}"))
}

fn flags(result: Result<Config, Mistakes>) -> Vec<Cow<'static, str>> {
    result.map_or_else(
        |m| m.iter().map(|m| m.flag.clone()).collect(),
        |_| Vec::new(),
    )
}

#[test]
fn the_flags_are_sound() {
    Args::command().debug_assert();
}

#[test]
fn http_is_off_until_told_where_and_its_rules_are_those_of_the_others() {
    assert!(with("").unwrap().http_listen.is_empty());
    let config = with("--http-listen 127.0.0.1:80,unix:/run/http").unwrap();
    assert_eq!(config.http_listen.len(), 2);
    for (more, flag) in [
        ("--http-listen 10.0.0.1:80", "--http-listen"),
        ("--http-listen nonsense", "--http-listen"),
        ("--http-listen 127.0.0.1:8480", "--listen"),
    ] {
        assert_eq!(flags(with(more)), [flag], "{more}");
    }
    assert!(with("--http-listen 10.0.0.1:80 --plaintext").is_ok());
}

#[test]
fn a_hub_stands_where_the_program_is_told() {
    let placed = |more| {
        let routes = with(more).unwrap().routes;
        let prefix = routes.place().outside("").into_string();
        (routes.hub_url().to_owned(), prefix)
    };
    assert_eq!(placed(""), (String::new(), String::new()));
    let both = placed("--hub-url https://hub.example/ --path-prefix /hub");
    assert_eq!(both, ("https://hub.example".into(), "/hub".into()));
    let wrong = "--hub-url hub.example --path-prefix hub/";
    assert_eq!(flags(with(wrong)), ["--hub-url", "--path-prefix"]);
}

#[test]
fn whoami_is_limited_unless_told_otherwise() {
    let limits = |more| {
        let config = with(more).unwrap();
        (config.whoami_limit, config.whoami_refusals)
    };
    assert_eq!(limits(""), (300, 1000));
    assert_eq!(limits("--whoami-limit 0 --whoami-refusals 7"), (0, 7));
    let cuts = |line: &str| with(line).unwrap().cuts;
    assert_eq!(cuts(""), Cuts::default());
    let both = "--shown-body 64KiB --shown-body 4MiB";
    assert_eq!(
        cuts(both),
        Cuts::new(vec![64 * 1024, 4 * 1024 * 1024]).unwrap()
    );
    assert_eq!(flags(with("--shown-body 64KiB,1KiB")), ["--shown-body"]);
    let longest = |line: &str| with(line).unwrap().max_body;
    assert_eq!(longest(""), 8 * 1024 * 1024);
    assert_eq!(longest("--max-body 128KiB"), 128 * 1024);
    assert_eq!(longest("--max-body 65536"), 65536);
    assert_eq!(longest("--max-body 32MiB"), 32 * 1024 * 1024);
    for wrong in [
        "65535",
        "33MiB",
        "8MB",
        "MiB",
        "-1",
        "99999999999999999999MiB",
    ] {
        let line = format!("--max-body={wrong}");
        assert_eq!(flags(with(&line)), ["--max-body"], "{wrong}");
    }
    let wrong = "--whoami-limit 1000001 --whoami-refusals some";
    assert_eq!(flags(with(wrong)), ["--whoami-limit", "--whoami-refusals"]);
}

#[test]
fn routes_are_built_in_or_a_file_whose_mistakes_are_told_by_line() {
    for fine in ["hub", "inference", "/routes.tsv"] {
        assert!(with(&format!("--routes {fine}")).is_ok(), "{fine}");
    }
    let told = with("--routes /wrong.tsv").unwrap_err().to_string();
    assert!(
        told.contains("--routes: `/wrong.tsv`: line 2: needs"),
        "{told}"
    );
    assert!(told.contains("; line 3: path"), "{told}");
    let missing = with("--routes /none").unwrap_err().to_string();
    assert!(missing.contains("neither hub nor inference"), "{missing}");
}

#[test]
fn defaults() {
    let config = with("").unwrap();
    assert_eq!(config.listen, ["127.0.0.1:8480".parse().unwrap()]);
    assert_eq!(config.admin_listen, "127.0.0.1:8481".parse().unwrap());
    assert_eq!((config.workers, config.name.as_str()), (3, "host-7"));
    let five = Duration::from_secs(5);
    assert_eq!(
        config.bounds,
        Bounds {
            read: five,
            write: five,
            infer: five
        }
    );
    assert_eq!(config.confirm_interval, Duration::from_millis(500));
    assert_eq!(
        config.drain,
        DrainTimes {
            delay: five,
            limit: Duration::from_secs(25)
        }
    );
    assert_eq!(config.jwks, [JwksSource::File("/keys.json".into())]);
    assert_eq!(config.jwks_cache, None);
    assert!(!config.plaintext);
}

#[test]
fn all_mistakes_at_once() {
    let told = flags(build(
        "--listen 0.0.0.0:1 --listen nowhere --admin-listen unix:x --realm a{b --token-prefix a.b \
         --jwks http://keys.example/ --bound-read 5 --bound-write 600ms --confirm-interval 1m --workers 0 \
         --memo-capacity many --name a/b --drain-delay 5s --drain-limit 5s --log x=loud",
    ));
    assert_eq!(
        told,
        [
            "--listen",
            "--listen",
            "--admin-listen",
            "--feed",
            "--realm",
            "--issuer",
            "--token-prefix",
            "--jwks",
            "--confirm-interval",
            "--bound-read",
            "--workers",
            "--memo-capacity",
            "--name",
            "--drain-limit",
            "--log",
        ]
    );
}

#[test]
fn a_bound_leaves_room_for_a_lost_confirm() {
    assert_eq!(flags(with("--bound-infer 999ms")), ["--bound-infer"]);
    assert!(with("--bound-infer 1s").is_ok());
    assert_eq!(flags(with("--bound-infer 2h")), ["--bound-infer"]);
}

#[test]
fn a_write_is_never_judged_by_an_old_view() {
    assert!(with("--bound-write 5s").is_ok());
    let told = with("--bound-write 5001ms").unwrap_err().to_string();
    let rule = "--bound-write: 5.001s is over 5s: no write is ever judged by an older view";
    assert!(told.contains(rule), "{told}");
    // A longer interval of confirms would leave no bound that a write may have.
    assert!(with("--confirm-interval 2500ms").is_ok());
    let long = "--confirm-interval 2501ms --bound-read 60s --bound-infer 60s";
    assert_eq!(flags(with(long)), ["--confirm-interval"]);
    let bounds = with("--bound-read 60s --bound-infer 1h").unwrap().bounds;
    assert_eq!(bounds.read, Duration::from_secs(60));
    assert_eq!(bounds.longest(), Duration::from_secs(3600));
}

#[test]
fn a_snapshot_is_kept_where_told_with_the_keys_beside_it() {
    assert_eq!(with("").unwrap().snapshots, None);
    let config = with("--snapshot-dir /var/lib/tokenward").unwrap();
    let kept = config.snapshots.unwrap();
    assert_eq!(kept.folder, Path::new("/var/lib/tokenward"));
    assert_eq!(kept.interval, Duration::from_secs(300));
    assert_eq!(
        config.jwks_cache,
        Some("/var/lib/tokenward/keys.json".into())
    );
    let own = with("--snapshot-dir /s --jwks-cache /k.json --snapshot-interval 1d").unwrap();
    assert_eq!(own.jwks_cache, Some("/k.json".into()));
    for wrong in ["999ms", "25h", "5"] {
        let line = format!("--snapshot-interval {wrong}");
        assert_eq!(flags(with(&line)), ["--snapshot-interval"], "{wrong}");
    }
}

#[test]
fn off_loopback_only_in_so_many_words() {
    for line in ["--listen 10.0.0.1:1", "--admin-listen [::]:1"] {
        assert_eq!(flags(with(line)).len(), 1, "{line}");
        assert!(with(&format!("{line} --plaintext")).is_ok(), "{line}");
    }
    let keys = |url: &str| build(&format!("{NO_KEYS} --jwks {url}"));
    assert_eq!(flags(keys("http://keys.example/jwks")), ["--jwks"]);
    assert!(keys("http://keys.example/jwks --plaintext").is_ok());
    assert!(keys("https://keys.example/jwks").is_ok());
    assert!(keys("http://[::1]:80/jwks").is_ok());
    let two = keys("http://[::1]:80/jwks --jwks /copy.json --jwks-cache /kept.json").unwrap();
    assert_eq!(two.jwks.len(), 2);
    assert_eq!(two.jwks[1], JwksSource::File("/copy.json".into()));
    assert_eq!(two.jwks_cache, Some("/kept.json".into()));
    assert_eq!(
        flags(keys("/a.json --jwks ftp://a/ --jwks http://b.example/")),
        ["--jwks", "--jwks"]
    );
    let remote = format!("{LEAST} --feed redis://redis.example/");
    assert_eq!(flags(build(&remote)), ["--feed"]);
    assert!(build(&format!("{remote} --plaintext")).is_ok());
}

/// Covers every setting that is an address or a URL to listen on or to call.
#[test]
fn nothing_leaves_this_machine_in_the_clear_unless_permitted() {
    let guarded = "--guard http://127.0.0.1:9 --guard-listen 127.0.0.1:9999";
    for (flag, there) in [
        (
            "--listen",
            format!("{LEAST} --feed redis://localhost --listen 0.0.0.0:1"),
        ),
        (
            "--http-listen",
            format!("{LEAST} --feed redis://localhost --http-listen 10.0.0.1:1"),
        ),
        (
            "--admin-listen",
            format!("{LEAST} --feed redis://localhost --admin-listen [::]:1"),
        ),
        (
            "--guard-listen",
            format!("{LEAST} --feed redis://localhost {guarded} --guard-listen 10.0.0.1:1"),
        ),
        (
            "--guard",
            format!(
                "{LEAST} --feed redis://localhost --guard http://app.example --guard-listen 127.0.0.1:9999"
            ),
        ),
        ("--feed", format!("{LEAST} --feed redis://db.example")),
        (
            "--feed",
            format!("{LEAST} --feed http://issuer.example --feed-credential-file /credential"),
        ),
        (
            "--jwks",
            format!("{NO_KEYS} --jwks http://keys.example/jwks"),
        ),
        (
            "--otlp-endpoint",
            format!("{LEAST} --feed redis://localhost --otlp-endpoint http://otlp.example:1"),
        ),
    ] {
        let wrong = build(&there).unwrap_err();
        let told = wrong.to_string();
        assert!(wrong.iter().all(|m| m.flag == flag), "{there}: {told}");
        assert!(told.contains("--plaintext"), "{told}");
        assert!(build(&format!("{there} --plaintext")).is_ok(), "{there}");
    }
}

#[test]
fn a_password_of_the_feed_comes_once() {
    for right in ["--redis-password-file /credential", "--redis-user u"] {
        let config = with(right).unwrap();
        assert!(matches!(config.feed, FeedSource::Redis { nodes: 1, .. }));
    }
    for wrong in [
        format!("{LEAST} --feed-file /feed --redis-password-file /none"),
        format!("{LEAST} --feed redis://localhost --redis-password-file /empty"),
        format!(
            "{LEAST} --feed http://localhost:1 --feed-credential-file /credential --redis-password-file /credential"
        ),
    ] {
        assert_eq!(flags(build(&wrong)), ["--redis-password-file"], "{wrong}");
    }
    let sentinels = format!("{LEAST} --feed redis+sentinel://localhost/hub");
    assert_eq!(flags(build(&sentinels)), ["--store-nodes"]);
    assert!(build(&format!("{sentinels} --store-nodes 3")).is_ok());
}

#[test]
fn a_prefix_is_one_that_tokens_can_have() {
    assert!(with("--token-prefix hf_").is_ok());
    assert_eq!(flags(with("--token-prefix hf-")), ["--token-prefix"]);
    assert_eq!(flags(with("--token-prefix hf")), ["--token-prefix"]);
}

#[test]
fn listeners_differ() {
    assert_eq!(flags(with("--listen 127.0.0.1:8481")), ["--listen"]);
    assert!(with("--listen 127.0.0.1:0 --listen 127.0.0.1:0").is_ok());
    assert_eq!(
        with("--listen unix:/a,127.0.0.1:1").unwrap().listen.len(),
        2
    );
}

#[test]
fn the_feed_by_flag_or_file_and_with_the_credential_it_needs() {
    let feed = |more: &str| build(&format!("{LEAST} {more}"));
    assert_eq!(flags(feed("")), ["--feed"]);
    assert_eq!(
        flags(feed("--feed redis://localhost --feed-file /feed")),
        ["--feed"]
    );
    assert_eq!(flags(feed("--feed-file /none")), ["--feed-file"]);
    assert_eq!(flags(feed("--feed ftp://localhost")), ["--feed"]);
    assert_eq!(
        flags(feed("--feed http://localhost:8470")),
        ["--feed-credential-file"]
    );
    assert_eq!(
        flags(feed(
            "--feed http://localhost:8470 --feed-credential-file /empty"
        )),
        ["--feed-credential-file"]
    );
    assert_eq!(
        flags(feed(
            "--feed redis://localhost --feed-credential-file /credential"
        )),
        ["--feed-credential-file"]
    );
    assert!(feed("--feed redis+unix:///run/redis.sock").is_ok());

    let from_file = feed("--feed-file /feed").unwrap().feed;
    assert!(matches!(from_file, FeedSource::Redis { nodes: 1, .. }));
    let config = feed("--feed http://localhost:8470 --feed-credential-file /credential").unwrap();
    let FeedSource::Grpc { issuer, credential } = config.feed else {
        panic!()
    };
    assert_eq!(
        (issuer.to_string().as_str(), credential.unwrap().expose()),
        ("http://localhost:8470/", "hunter2")
    );
    // A client certificate may say who follows.
    let own = "--peer-certificate c.pem --peer-key k.pem";
    let config = feed(&format!("--feed https://issuer:8470 {own}")).unwrap();
    assert!(matches!(
        config.feed,
        FeedSource::Grpc {
            credential: None,
            ..
        }
    ));
}

#[test]
fn a_secret_is_shown_nowhere() {
    let line = format!("x {LEAST} --feed redis://u:hunter2@127.0.0.1/");
    let args = Args::parse_from(line.split_whitespace());
    assert!(!format!("{args:?}").contains("hunter2"));
    let config = build(&format!("{LEAST} --feed redis://u:hunter2@127.0.0.1/")).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    for wrong in [
        "redis://u:hunter2@far.example/",
        "redis://u:hunter2@/",
        "hunter2",
    ] {
        let told = build(&format!("{LEAST} --feed {wrong}"))
            .unwrap_err()
            .to_string();
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(
        Args::command()
            .get_arguments()
            .all(|a| a.get_id() != "feed" || a.is_hide_env_values_set())
    );
}
