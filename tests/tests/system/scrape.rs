//! What Prometheus's own linter asks of a scrape (`promtool check metrics`), and what its text format
//! (0.0.4) is, as far as dashboards and rules would notice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// No other unit of these is used: whoever divides by a thousand forgets it once.
const OTHER_UNITS: [&str; 18] = [
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "millis",
    "micros",
    "nanos",
    "kilobytes",
    "megabytes",
    "gigabytes",
    "kibibytes",
    "mebibytes",
    "bits",
    "percent",
    "celcius",
];
const ABBREVIATED: [&str; 16] = [
    "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d", "kib", "mib",
];
const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
}

/// The family of a sample: itself, or that of which it is a part.
fn family<'a>(families: &BTreeMap<String, Family>, sample: &'a str) -> Option<&'a str> {
    if families.contains_key(sample) {
        return Some(sample);
    }
    let parts = ["_bucket", "_sum", "_count"];
    let mut whole = parts.iter().filter_map(|part| sample.strip_suffix(part));
    whole.find(|name| families.get(*name).is_some_and(|it| it.kind == "histogram"))
}

/// `name{labels} value` to its name and its labels as they are written.
fn sample(line: &str) -> (&str, Vec<(&str, &str)>, &str) {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let Some((name, labels)) = series.split_once('{') else {
        return (series, Vec::new(), value);
    };
    let labels = labels.strip_suffix("\"}").expect(line);
    let pairs = labels
        .split("\",")
        .map(|pair| pair.split_once("=\"").expect(line));
    (name, pairs.collect(), value)
}

fn is_snake(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits)
}

/// Everything that is wrong with a scrape.
pub(crate) fn mistakes(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.ends_with('\n') || text.contains("# EOF") {
        wrong.push("the text has another end".to_owned());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut done = BTreeSet::new();
    let mut now = String::new();
    let mut ladders: HashMap<String, Vec<(f64, f64)>> = HashMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let word = words.next().unwrap_or_default();
            let (name, rest) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            let known = families.entry(name.into()).or_default();
            let place = match word {
                "HELP" => &mut known.help,
                "TYPE" => &mut known.kind,
                _ => {
                    wrong.push(format!("`{line}` is of another format"));
                    continue;
                }
            };
            if !place.is_empty() {
                wrong.push(format!("{name}: {word} twice"));
            }
            *place = rest.into();
            continue;
        }
        let (name, labels, value) = sample(line);
        let Some(of) = family(&families, name) else {
            wrong.push(format!("{name}: belongs to no family"));
            continue;
        };
        if now != of {
            if !done.insert(of.to_owned()) {
                wrong.push(format!("{of}: its samples are apart"));
            }
            of.clone_into(&mut now);
        }
        if !series.insert(line.rsplit_once(' ').map(|it| it.0)) {
            wrong.push(format!("{line}: the series is there twice"));
        }
        if value.parse::<f64>().is_err() {
            wrong.push(format!("{line}: `{value}` is no number"));
        }
        for (label, value) in &labels {
            if !is_snake(label) {
                wrong.push(format!("{name}: label `{label}`"));
            }
            if *label == "le" {
                let others: Vec<_> = labels.iter().filter(|it| it.0 != "le").collect();
                let ladder = ladders.entry(format!("{name} {others:?}")).or_default();
                let bound = value.replace("+Inf", "inf");
                let step = (
                    bound.parse().expect(line),
                    line.rsplit_once(' ').map(|it| it.1),
                );
                ladder.push((step.0, step.1.and_then(|it| it.parse().ok()).expect(line)));
                if families.get(of).is_none_or(|it| it.kind != "histogram") {
                    wrong.push(format!("{name}: label `le`, and no histogram"));
                }
            }
        }
    }
    for (name, ladder) in ladders {
        let rises = ladder.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        let ends = ladder.last().is_some_and(|it| it.0 == f64::INFINITY);
        if !rises || !ends {
            wrong.push(format!("{name}: buckets {ladder:?}"));
        }
    }
    for (name, Family { kind, help }) in &families {
        wrong.extend(of_family(name, kind, help));
        if !done.contains(name) {
            wrong.push(format!("{name}: has no sample"));
        }
    }
    wrong
}

fn of_family(name: &str, kind: &str, help: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rule = |holds: bool, text: &str| {
        if !holds {
            wrong.push(format!("{name}: {text}"));
        }
    };
    rule(is_snake(name), "is no snake_case");
    rule(!help.is_empty(), "has no help");
    rule(TYPES.contains(&kind), "has no type");
    let total = name.ends_with("_total");
    rule(
        total == (kind == "counter"),
        "`_total` is for counters, and for all",
    );
    let parts = ["_bucket", "_sum", "_count"];
    let part = parts.iter().any(|it| name.ends_with(it));
    rule(!part, "ends as a part of a histogram");
    let mut words = name.split('_');
    rule(
        !words.clone().any(|word| OTHER_UNITS.contains(&word)),
        "is in no base unit",
    );
    rule(
        !words.clone().any(|word| ABBREVIATED.contains(&word)),
        "abbreviates its unit",
    );
    rule(
        !words.any(|word| TYPES.contains(&word)),
        "has its type in its name",
    );
    wrong
}

/// Clean, as both programs' scrapes must be.
pub(crate) fn lint(text: &str) {
    let wrong = mistakes(text);
    assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
}

/// The linter itself: each mistake is seen.
#[test]
fn each_mistake_is_seen() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 1\n\
                # HELP time_seconds B.\n# TYPE time_seconds histogram\ntime_seconds_sum 1\ntime_seconds_count 2\n\
                time_seconds_bucket{le=\"0.1\"} 1\ntime_seconds_bucket{le=\"+Inf\"} 2\n";
    lint(good);
    for (was, is, says) in [
        ("# HELP a_total A.\n", "", "has no help"),
        (
            "# TYPE a_total counter",
            "# TYPE a_total gauge",
            "is for counters",
        ),
        ("time_seconds", "time_total", "is for counters"),
        ("time_seconds", "time_milliseconds", "no base unit"),
        ("time_seconds", "time_ms", "abbreviates"),
        ("time_seconds", "time_gauge_seconds", "type in its name"),
        ("time_seconds", "timeSeconds", "snake_case"),
        ("time_seconds", "time_count", "part of a histogram"),
        ("x=\"2\"", "x=\"1\"", "is there twice"),
        ("x=", "X=", "label"),
        ("le=\"+Inf\"} 2", "le=\"+Inf\"} 0", "buckets"),
        ("le=\"+Inf\"", "le=\"0.2\"", "buckets"),
        (
            "# HELP time",
            "# UNIT a_total seconds\n# HELP time",
            "of another format",
        ),
        (
            "# TYPE time",
            "# HELP time_seconds B.\n# TYPE time",
            "HELP twice",
        ),
        (
            "a_total{x=\"2\"} 1\n",
            "a_total{x=\"2\"} one\n",
            "no number",
        ),
        ("a_total{x=\"2\"} 1\n", "c 1\n", "no family"),
    ] {
        let bad = good.replace(was, is);
        assert_ne!(bad, good, "{was}");
        let wrong = mistakes(&bad);
        assert!(wrong.iter().any(|it| it.contains(says)), "{is}: {wrong:?}");
    }
    let apart = format!("{good}a_total{{x=\"3\"}} 1\n");
    assert!(mistakes(&apart)[0].contains("apart"));
}
