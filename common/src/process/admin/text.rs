//! This file makes Prometheus's text format 0.0.4 from OpenMetrics, for clients that don't request
//! OpenMetrics.
//!
//! The formats differ: 0.0.4 names a counter `x_total` throughout, OpenMetrics `x` with samples
//! `x_total`. An info is a gauge in 0.0.4, and OpenMetrics has lines that 0.0.4 doesn't have.

use std::fmt::Write as _;

pub(super) const OPENMETRICS: &str = "application/openmetrics-text";

/// Whether an `Accept` names OpenMetrics in a served version. A client that accepts both formats gets
/// it.
pub(super) fn wants_openmetrics(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(OPENMETRICS));
        named
            && parts.all(|part| match part.split_once('=') {
                Some(("version", version)) => matches!(version, "1.0.0" | "0.0.1"),
                Some(("q", weight)) => weight.parse::<f32>().is_ok_and(|weight| weight > 0.0),
                _ => true,
            })
    })
}

pub(super) fn from_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    // The name and the help of a family, until its type is known.
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        // Writing to a String can't fail.
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), rest) => help = Some((name, rest.unwrap_or(""))),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    other => ("", other),
                };
                if let Some((_, text)) = help.take().filter(|help| help.0 == name) {
                    let _ = writeln!(out, "# HELP {name}{suffix} {text}");
                }
                let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
            }
            // The line is a unit or the end, which 0.0.4 doesn't have.
            (Some("#"), ..) => {}
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_named_whole() {
        let text = "# HELP a_calls Calls # of all.\n# TYPE a_calls counter\na_calls_total{x=\"# y\"} 1\n\
                    # HELP a_build This.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                    # HELP b_seconds How long.\n# TYPE b_seconds histogram\n# UNIT b_seconds seconds\n\
                    b_seconds_sum 0.5\nb_seconds_count 1\nb_seconds_bucket{le=\"+Inf\"} 1\n# EOF\n";
        let want = "# HELP a_calls_total Calls # of all.\n# TYPE a_calls_total counter\n\
                    a_calls_total{x=\"# y\"} 1\n\
                    # HELP a_build_info This.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                    # HELP b_seconds How long.\n# TYPE b_seconds histogram\n\
                    b_seconds_sum 0.5\nb_seconds_count 1\nb_seconds_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(from_openmetrics(text), want);
    }

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,\
                          application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, wants) in [
            (prometheus, true),
            (
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                true,
            ),
            ("text/plain, Application/OpenMetrics-Text", true),
            ("", false),
            ("*/*", false),
            ("text/plain;version=0.0.4", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;version=2.0.0", false),
        ] {
            assert_eq!(wants_openmetrics(accept), wants, "{accept}");
        }
    }
}
