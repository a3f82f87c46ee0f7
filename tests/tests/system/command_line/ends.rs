//! How a command ends that isn't listened to, that called the wrong port, or was given a secret.

use std::process::{Command, Stdio};

use tokenward_tests::house::{Ended, hub::Corner, program};

use super::Desk;

impl Desk {
    /// Its output has no reader from the start.
    fn unread(&self, words: &[&str]) -> (Option<i32>, String) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        // Ended in any case: what follows a trail would go on for ever.
        let ended = Command::new("timeout")
            .arg("20")
            .arg(program("tokenward"))
            .args(words)
            .args(self.whereto("hub"))
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        self.house()
            .kept()
            .said("stderr of an unread command", err.clone());
        (ended.status.code(), err)
    }

    fn at(&self, option: &str, url: &str, words: &[&str]) -> Ended {
        let file = self.file("hub.credential");
        let more = [option, url, "--credential-file", &file];
        self.house().tokenward(&[words, &more].concat())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_nobody_reads_ends_a_command_without_a_word() {
    let desk = Desk::new().await;
    let corner = Corner::new("e1");
    desk.site.issuer().write(corner.operations()).await;
    let ada = &*corner.of("ada");
    let create = [
        "token", "create", "--owner", ada, "--role", "read", "--name",
    ];
    let file = desk.file("one.token");
    desk.text(&[&create[..], &["one", "--secret-file", &file]].concat());
    let token = std::fs::read_to_string(file).unwrap();
    desk.house().kept().secret(token.trim());

    for (words, code) in [
        (&["directory", "export", "-"][..], 141),
        (&["audit"], 141),
        (&["audit", "--json"], 141),
        (&["audit", "--follow", "--owner", ada], 141),
        // What is one answer was given, or what was asked for was done.
        (&["token", "list", "--owner", ada], 0),
        (&["directory", "list", "users"], 0),
        (&["permissions"], 0),
        (&["completions", "bash"], 0),
    ] {
        let (ended, err) = desk.unread(words);
        assert_eq!(ended, Some(code), "{words:?}: {err}");
        assert!(
            !err.contains("error") && !err.contains("pipe"),
            "{words:?}: {err}"
        );
    }
    // But a secret that can't be had again.
    let (ended, err) = desk.unread(&[&create[..], &["two"]].concat());
    assert_eq!(ended, Some(7), "{err}");
    assert!(err.contains("its secret is lost: revoke token "), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_port_a_long_time_and_a_pasted_secret_are_named() {
    let desk = Desk::new().await;
    let issuer = desk.site.issuer();
    let told = |ended: Ended, code: i32, parts: &[&str]| {
        assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "{part} in {}", ended.err);
        }
    };
    let show = ["token", "show", "1"];
    // TLS where none is spoken: to gRPC, and to HTTP.
    for address in [&issuer.address, &issuer.http] {
        let ended = desk.at("--issuer", &format!("https://{address}"), &show);
        told(ended, 5, &["speak TLS", "http://"]);
    }
    // What is no gRPC: keys, metrics.
    for address in [&issuer.http, &issuer.admin] {
        let ended = desk.at("--issuer", &format!("http://{address}"), &show);
        told(ended, 5, &["gRPC port", "8470"]);
    }
    let check = [
        "check",
        "--anonymous",
        "--permission",
        "repo.write",
        "model:a/b",
    ];
    let ended = desk.at(
        "--verifier",
        &format!("http://{}", desk.verifier().admin),
        &check,
    );
    told(ended, 5, &["gRPC port", "8480"]);
    // Nobody there is another thing.
    let ended = desk.at("--issuer", "https://127.0.0.1:1", &show);
    told(ended, 5, &["refused", "running"]);

    let rotate = |overlap: &'static str| ["token", "rotate", "1", "--overlap", overlap];
    told(
        desk.run("hub", &rotate("30d")),
        2,
        &["--overlap", "at most 7d"],
    );
    told(
        desk.run("hub", &rotate("99999999999w")),
        2,
        &["--overlap", "longer"],
    );

    let token = format!(
        "tw_eyJhbGciOiJFZERTQSJ9.{}.{}",
        "Q".repeat(60),
        "S".repeat(86)
    );
    for words in [
        &["token", "revoke", "--token", &token][..],
        &["token", "revoke", &token],
    ] {
        let ended = desk.run("hub", words);
        assert!(
            !ended.err.contains("QQQ") && !ended.err.contains("SSS"),
            "{}",
            ended.err
        );
        told(
            ended,
            2,
            &["shell's history", "process list", "--value-file -"],
        );
    }
}
