use super::*;

fn none(_: &str) -> Option<OsString> {
    None
}

#[test]
fn one_source_is_chosen() {
    let file = |name: &str| (name == OPERATOR.file_variable).then(|| "/f".into());
    let value = |name: &str| (name == OPERATOR.variable).then(|| " twc_1\n".into());
    let both = |_: &str| Some("x".into());
    let option = Some(Path::new("/o"));
    assert_eq!(OPERATOR.choose(None, none).unwrap(), Source::Prompt);
    assert_eq!(
        OPERATOR.choose(None, |_| Some("".into())).unwrap(),
        Source::Prompt
    );
    assert_eq!(
        OPERATOR.choose(None, file).unwrap(),
        Source::File("/f".into())
    );
    assert_eq!(
        OPERATOR.choose(None, value).unwrap(),
        Source::Value(Secret::new("twc_1".into()))
    );
    assert_eq!(
        OPERATOR.choose(option, both).unwrap(),
        Source::File("/o".into())
    );
    assert_eq!(OPERATOR.choose(None, both).unwrap_err().exit, Exit::Usage);
}

#[test]
fn nothing_shows_a_secret() {
    let secret = Secret::new("twc_0123".into());
    assert!(!format!("{secret:?}").contains("0123"));
    let failure = TOKEN.clean("tw_abc def", "TOKENWARD_TOKEN").unwrap_err();
    assert!(!failure.message.contains("abc"), "{failure}");
}

#[test]
fn files_are_read_as_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    for (text, right) in [
        ("twc_1\n", true),
        ("  twc_1\r\n\n", true),
        ("", false),
        ("a\nb", false),
        ("é", false),
    ] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(OPERATOR.read(Some(&path)).is_ok(), right, "{text:?}");
    }
    std::fs::write(&path, "x".repeat(20_000)).unwrap();
    assert!(
        OPERATOR
            .read(Some(&path))
            .unwrap_err()
            .message
            .contains("too long")
    );
}

#[cfg(unix)]
#[test]
fn secret_files_are_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    SecretFile::create(&path).unwrap().write("tw_1").unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "tw_1\n");

    assert_eq!(SecretFile::create(&path).unwrap_err().exit, Exit::Conflict);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "tw_1\n");

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    assert_eq!(SecretFile::create(&link).unwrap_err().exit, Exit::Conflict);
}

#[test]
fn an_unwritten_secret_file_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    drop(SecretFile::create(&path).unwrap());
    assert!(!path.exists());
}

#[test]
fn a_secret_among_the_arguments_is_named_and_not_repeated() {
    let token = &*["tw_eyJ0eXAi", "eyJpc3Mi-_9", "c2ln"].join(".");
    let credential = format!("twc_{}", "0f".repeat(32));
    let args = |text: &str| -> Vec<OsString> { text.split(' ').map(Into::into).collect() };
    for (text, told) in [
        (format!("token revoke --token {token}"), "--value-file"),
        (format!("token revoke --token=hf_{token}"), "--value-file"),
        (format!("token revoke {token}"), "--token-file"),
        (
            format!("check --token '{token}' model:a/b"),
            "TOKENWARD_TOKEN",
        ),
        (
            format!("audit --credential {credential}"),
            "TOKENWARD_CREDENTIAL",
        ),
        (
            format!("token list --credential-file={credential}"),
            "--credential-file",
        ),
    ] {
        let failure = none_in(&args(&text)).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.next.contains(told), "{failure} {}", failure.next);
        for part in ["history", "process list"] {
            assert!(failure.message.contains(part), "{failure}");
        }
        let all = format!("{} {}", failure.message, failure.next);
        assert!(!all.contains("eyJ0") && !all.contains("0f0f"), "{all}");
    }
    for fine in [
        "token revoke 1042 --wait",
        "dev --token-prefix twc_",
        "keys generate --out eyJ.pem",
    ] {
        assert!(none_in(&args(fine)).is_ok(), "{fine}");
    }
}
