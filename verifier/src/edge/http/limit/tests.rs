use super::*;

fn at(seconds: u64) -> BootTime {
    BootTime(seconds * 1_000_000_000)
}

fn refused(limit: &Limit, key: &str, now: BootTime) -> bool {
    limit.take(key, now).unwrap().refused
}

#[test]
fn so_many_in_a_window_and_again_in_the_next() {
    let limit = Limit::new(3);
    let now = at(10 * 300 + 245);
    for left in [2, 1, 0] {
        let standing = limit.take("ada", now).unwrap();
        assert_eq!((standing.refused, standing.left), (false, left));
    }
    for _ in 0..10 {
        assert!(refused(&limit, "ada", now));
    }
    // The limit of one key does not touch another.
    assert!(!refused(&limit, "bob", now));
    assert!(refused(&limit, "ada", at(10 * 300 + 299)));
    for _ in 0..3 {
        assert!(!refused(&limit, "ada", at(11 * 300)));
    }
    assert!(refused(&limit, "ada", at(11 * 300)));
}

#[test]
fn the_headers_are_the_hubs() {
    let limit = Limit::new(2);
    let now = BootTime(245_000_000_001);
    let headers = || limit.take("ada", now).unwrap().headers("whoami");
    let policy = (
        "ratelimit-policy",
        r#""fixed window";"whoami";q=2;w=300"#.into(),
    );
    let told = |left: &str| ("ratelimit", format!(r#""whoami";r={left};t=55"#));
    assert_eq!(headers(), [told("1"), policy.clone()]);
    assert_eq!(headers(), [told("0"), policy.clone()]);
    assert_eq!(headers(), [told("0"), policy, ("retry-after", "55".into())]);
}

#[test]
fn without_a_limit_nothing_is_counted_or_held() {
    let limit = Limit::new(0);
    assert_eq!(limit.take("ada", at(0)), None);
    assert_eq!(limit.bytes(), 0);
}

#[test]
fn a_crowd_takes_no_memory_and_frees_nobody_who_is_over() {
    let limit = Limit::new(2);
    let bytes = limit.bytes();
    assert!(bytes <= 2 << 20, "{bytes}");
    let now = at(1);
    for _ in 0..3 {
        limit.take("ada", now);
    }
    for n in 0..1_000_000_u32 {
        limit.take(n, now);
    }
    assert!(refused(&limit, "ada", now));
    assert_eq!(limit.bytes(), bytes);
}

#[test]
fn most_of_as_many_as_there_are_places_are_counted() {
    let limit = Limit::new(1);
    let half = u32::try_from(PLACES * WAYS / 2).unwrap();
    for n in 0..half {
        limit.take(n, at(1));
    }
    let counted = (0..half).filter(|n| limit.take(n, at(1)).unwrap().refused);
    assert!(counted.count() > half as usize * 8 / 10);
}
