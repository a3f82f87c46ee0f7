use super::*;

fn guarded(more: &str) -> Result<Config, Mistakes> {
    with(&format!("--guard-listen 127.0.0.1:80 {more}"))
}

#[test]
fn a_guard_is_off_until_told_where_it_stands() {
    assert_eq!(with("").unwrap().guard, None);
    let config = with("--guard http://127.0.0.1:8000 --guard-listen 127.0.0.1:80,unix:/run/guard");
    let guard = config.unwrap().guard.unwrap();
    assert_eq!(guard.upstream.authority().unwrap(), "127.0.0.1:8000");
    assert_eq!(guard.listen.len(), 2);
    assert!(!guard.keep_credential);
    assert_eq!(guard.issuer, None);
    let seconds = Duration::from_secs;
    let times = GuardTimes {
        connect: seconds(2),
        response: seconds(60),
        idle: seconds(60),
    };
    assert_eq!(guard.times, times);
    let set = guarded(
        "--guard http://localhost --guard-keep-credential --guard-connect-timeout 1s \
         --guard-response-timeout 5m --guard-idle-timeout 2s",
    );
    let guard = set.unwrap().guard.unwrap();
    let times = GuardTimes {
        connect: seconds(1),
        response: seconds(300),
        idle: seconds(2),
    };
    assert_eq!((guard.times, guard.keep_credential), (times, true));
}

/// The issuer's URL follows the rules of the server behind the guard.
#[test]
fn the_issuer_is_an_origin_too() {
    let behind = "--guard http://127.0.0.1:8000";
    let set = guarded(&format!("{behind} --guard-issuer http://127.0.0.1:8471"));
    let guard = set.unwrap().guard.unwrap();
    assert_eq!(guard.issuer.unwrap().authority().unwrap(), "127.0.0.1:8471");
    for url in [
        "nonsense",
        "http://10.0.0.1:1",
        "http://127.0.0.1:1/x",
        "https://127.0.0.1:1/x",
    ] {
        let mistakes = guarded(&format!("{behind} --guard-issuer {url}"));
        assert_eq!(flags(mistakes), ["--guard-issuer"], "{url}");
    }
    let alone = with("--guard-issuer http://127.0.0.1:8471");
    assert_eq!(flags(alone), ["--guard"]);
}

#[test]
fn half_a_guard_is_told_what_the_other_half_is() {
    let rows: [(&str, &[_], &str); 4] = [
        (
            "--guard http://127.0.0.1:8000",
            &["--guard-listen"],
            "required beside --guard",
        ),
        (
            "--guard-listen 127.0.0.1:80",
            &["--guard"],
            "required beside",
        ),
        ("--guard-keep-credential", &["--guard"], "required beside"),
        (
            "--guard nonsense:// --guard-connect-timeout x",
            &["--guard-connect-timeout", "--guard-listen", "--guard"],
            "required beside",
        ),
    ];
    for (more, expected, word) in rows {
        let mistakes = with(more).unwrap_err();
        assert!(mistakes.to_string().contains(word), "{mistakes}");
        assert_eq!(flags(Err(mistakes)), expected, "{more}");
    }
}

#[test]
fn the_server_behind_is_an_origin_on_loopback() {
    for (url, word) in [
        ("nonsense", "neither an http nor an https URL"),
        ("ftp://127.0.0.1", "neither an http nor an https URL"),
        ("http://", "not a URL"),
        ("http://127.0.0.1:8000/hub", "must end after the host"),
        ("http://127.0.0.1:8000/?x", "must end after the host"),
        ("https://127.0.0.1:8000/hub", "must end after the host"),
        ("http://10.0.0.1:8000", "--plaintext"),
        ("http://hub.example", "--plaintext"),
        ("http://127.0.0.1:80", "where the guard itself listens"),
    ] {
        let mistakes = guarded(&format!("--guard {url}")).unwrap_err();
        assert!(mistakes.to_string().contains(word), "{url}: {mistakes}");
        assert_eq!(flags(Err(mistakes)), ["--guard"], "{url}");
    }
    let secret = guarded("--guard http://u:hunter2@127.0.0.1:8000").unwrap_err();
    let told = format!("{secret} {secret:?}");
    assert!(
        told.contains("no user") && !told.contains("hunter2"),
        "{told}"
    );
    assert!(guarded("--guard http://10.0.0.1:8000 --plaintext").is_ok());
    assert!(guarded("--guard http://127.0.0.1:8000/").is_ok());
    assert!(guarded("--guard https://hub.example").is_ok());
}

#[test]
fn a_guard_listens_by_the_rules_of_the_others() {
    let behind = "--guard http://127.0.0.1:8000";
    for (more, flag) in [
        ("--guard-listen 10.0.0.1:80", "--guard-listen"),
        ("--guard-listen nonsense", "--guard-listen"),
        ("--guard-listen 127.0.0.1:8480", "--listen"),
        ("--guard-listen 127.0.0.1:8481", "--listen"),
        (
            "--guard-listen 127.0.0.1:80 --http-listen 127.0.0.1:80",
            "--listen",
        ),
    ] {
        assert_eq!(flags(with(&format!("{behind} {more}"))), [flag], "{more}");
    }
    assert!(with(&format!("{behind} --guard-listen 10.0.0.1:80 --plaintext")).is_ok());
}

#[test]
fn its_times_have_limits() {
    for (more, flag) in [
        ("--guard-connect-timeout 6s", "--guard-connect-timeout"),
        ("--guard-connect-timeout 0s", "--guard-connect-timeout"),
        ("--guard-response-timeout 2h", "--guard-response-timeout"),
        ("--guard-idle-timeout 1ms", "--guard-idle-timeout"),
        ("--guard-idle-timeout soon", "--guard-idle-timeout"),
    ] {
        let mistakes = guarded(&format!("--guard http://127.0.0.1:8000 {more}"));
        assert_eq!(flags(mistakes), [flag], "{more}");
    }
}
