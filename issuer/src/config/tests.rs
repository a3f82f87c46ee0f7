use std::{ffi::OsString, fs};

use clap::Parser as _;
use tokenward_common::process::settings::parse;

use super::*;

const LEAST: [&str; 6] = [
    "tokenward-issuer",
    "--store=embedded:/none",
    "--realm=hub",
    "--issuer=https://tokens.example",
    "--signing-key=/k.pem",
    "--credentials=/none",
];

/// Writes each mistake on a line of its own.
fn lines(mistakes: &Mistakes) -> String {
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn checked(more: &[&str]) -> Result<Config, String> {
    // The last of several values of a flag counts.
    let args = LEAST.iter().chain(more);
    let more: Vec<_> = args
        .clone()
        .enumerate()
        .filter(|(at, arg)| {
            let flag = |arg: &str| arg.split('=').next().unwrap().to_owned();
            !args
                .clone()
                .skip(at + 1)
                .any(|later| flag(later) == flag(arg))
        })
        .map(|(_, arg)| *arg)
        .collect();
    Config::build(Args::parse_from(more)).map_err(|wrong| lines(&wrong))
}

/// This lists every setting with an address or a URL that the issuer listens on or calls.
#[test]
fn nothing_leaves_this_machine_in_the_clear_unless_permitted() {
    assert!(checked(&[]).is_ok());
    for (flag, here, there) in [
        ("--listen", "127.0.0.1:1", "0.0.0.0:1"),
        ("--http-listen", "[::1]:1", "10.0.0.1:1"),
        ("--admin-listen", "unix:/s", "[::]:1"),
        (
            "--store",
            "redis://127.0.0.1:6379",
            "redis://db.example:6379",
        ),
        (
            "--otlp-endpoint",
            "http://127.0.0.1:4317",
            "http://otlp.example:4317",
        ),
    ] {
        assert!(checked(&[&format!("{flag}={here}")]).is_ok(), "{flag}");
        let there = format!("{flag}={there}");
        let told = checked(&[&there]).unwrap_err();
        assert!(told.starts_with(flag), "{told}");
        assert!(told.contains("--plaintext"), "{told}");
        assert!(checked(&[&there, "--plaintext"]).is_ok(), "{flag}");
    }
}

#[test]
fn a_password_comes_from_the_environment_or_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    fs::write(&path, "hunter2\n").unwrap();
    let file = format!("--redis-password-file={}", path.display());
    for right in [
        &["--store=redis://ada@127.0.0.1", &*file][..],
        // The file wins.
        &["--store=redis://ada:x@127.0.0.1", &file],
        &["--store=redis://127.0.0.1", "--redis-user=ada", &file],
    ] {
        let config = checked(right).unwrap();
        assert!(matches!(config.store, StoreChoice::Redis { nodes: 1, .. }));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
    let empty = dir.path().join("empty");
    fs::write(&empty, " \n").unwrap();
    let empty = format!("--redis-password-file={}", empty.display());
    for wrong in [
        &["--store=embedded:/none", &*file][..],
        &["--store=redis://127.0.0.1", "--redis-password-file=/none"],
        &["--store=redis://127.0.0.1", &empty],
    ] {
        let told = checked(wrong).unwrap_err();
        assert!(told.starts_with("--redis-password-file"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_mistake_names_its_setting_once() {
    for (wrong, flag) in [
        (&["--store=embedded:"][..], "--store: "),
        (&["--store=mysql://db"], "--store: "),
        (&["--store=redis+sentinel://localhost"], "--store: "),
        (&["--store=redis+cluster://localhost/7"], "--store: "),
        (
            &["--store=redis://localhost", "--redis-ca-file=/ca"],
            "--store: ",
        ),
        (
            &["--store=redis://localhost", "--store-nodes=2"],
            "--store-nodes: ",
        ),
        (
            &["--store=redis://localhost", "--store-nodes=x"],
            "--store-nodes: ",
        ),
        (&["--store=redis+sentinel://localhost/a"], "--store-nodes: "),
        (&["--store-nodes=3"], "--store-nodes: "),
        (
            &["--store=redis://localhost", "--store-durability=perhaps"],
            "--store-durability: ",
        ),
        (
            &["--store=redis+sentinel://localhost,db/a", "--store-nodes=3"],
            "--store: ",
        ),
    ] {
        let told = checked(wrong).unwrap_err();
        assert!(told.starts_with(flag), "{told}");
        assert_eq!(told.matches("--store").count(), 1, "{told}");
    }
    for right in [
        &["--store=rediss://db"][..],
        &["--store=redis://localhost", "--store-nodes=3"],
        &["--store=redis+cluster://localhost"],
        &["--store=rediss+sentinel://a,b,c/hub", "--store-nodes=3"],
        &["--store=redis://localhost", "--store-durability=managed"],
    ] {
        assert!(checked(right).is_ok(), "{right:?}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let args = Args::parse_from([
        "tokenward-issuer",
        "--listen=0.0.0.0:1",
        "--store=mysql://root:hunter2@db",
        "--realm=a b",
        "--issuer=ftp://x",
        "--token-prefix=no dash",
        "--credentials=/none",
        "--create-realm",
    ]);
    assert!(!format!("{args:?}").contains("hunter2"));
    let mistakes = lines(&Config::build(args).unwrap_err());
    for flag in [
        "--listen",
        "--store",
        "--realm",
        "--issuer",
        "--token-prefix",
        "tokenward realm create",
        "--signing-key",
    ] {
        assert!(mistakes.contains(flag), "{flag} in {mistakes}");
    }
    assert!(!mistakes.contains("hunter2"));
}

/// The mistakes are a missing setting, a value of the wrong kind, and one that breaks a rule.
#[test]
fn what_clap_would_stop_at_is_told_with_all_other_mistakes() {
    let typed = "tokenward-issuer --listen nowhere --signing-key a=b=c,d/e+f.pem --key-ring /r \
                 --drain-delay 5 --log-entries many --address-connections 0 --log x=loud";
    let typed: Vec<OsString> = typed.split_whitespace().map(Into::into).collect();
    let mistakes = Config::build(parse(&typed)).unwrap_err();
    let told: Vec<_> = mistakes.iter().map(|it| it.flag.clone()).collect();
    assert_eq!(
        told,
        [
            "--listen",
            "--address-connections",
            "--store",
            "--realm",
            "--issuer",
            "--signing-key, --key-ring",
            "--credentials",
            "--log-entries",
            "--drain-delay",
            "--log",
        ]
    );
}
