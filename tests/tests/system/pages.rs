//! The pages: every link leads to something, every file that is named is there, and the README is short.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;
use tokenward_tests::house::{Feed, House, Store, http, tls};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, pages);
        } else if path.extension().is_some_and(|it| it == "md") {
            pages.push(path);
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let root = root();
    let mut pages: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    pages.retain(|path| path.extension().is_some_and(|it| it == "md"));
    for folder in ["docs", "deploy", "examples"] {
        collect(&root.join(folder), &mut pages);
    }
    assert!(pages.len() > 50, "{}", pages.len());
    pages
}

/// As people write them and renderers make anchors of them.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

fn anchors(text: &str) -> Vec<String> {
    let mut code = false;
    let mut all = Vec::new();
    for line in text.lines() {
        code ^= line.starts_with("```");
        if !code && line.starts_with('#') {
            all.push(anchor(line.trim_start_matches('#').trim()));
        }
    }
    all
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut wrong = Vec::new();
    let mut followed = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (path, part) = target.split_once('#').unwrap_or((target, ""));
            let there = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let lacks_part = || {
                let text = fs::read_to_string(&there).unwrap_or_default();
                !part.is_empty() && !anchors(&text).iter().any(|it| it == part)
            };
            if !there.exists() || lacks_part() {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(followed > 100, "{followed}");
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let named = Regex::new(
        r"`((?:cli|common|deploy|docs|examples|issuer|proto|tests|verifier)/[A-Za-z0-9_./-]+)`",
    )
    .unwrap();
    let root = root();
    let mut wrong = Vec::new();
    let mut looked = 0;
    for page in pages() {
        // What was is told there.
        if page.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for found in named.captures_iter(&text) {
            looked += 1;
            if !root.join(&found[1]).exists() {
                wrong.push(format!("{}: {}", page.display(), &found[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(looked > 100, "{looked}");
}

/// All of the code, tests too.
fn collect_sources(root: &Path, sources: &mut String) {
    let parts = ["cli", "common", "issuer", "proto", "tests", "verifier"];
    let mut folders: Vec<_> = parts.iter().map(|it| root.join(it)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|it| it.to_str()) {
                Some("rs" | "py") => sources.push_str(&fs::read_to_string(&path).unwrap()),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
}

#[test]
fn every_test_that_a_page_of_failures_names_is_there() {
    shown_by("docs/failures.md", 30);
    shown_by("docs/faults.md", 10);
}

/// Each test in the last column of the page's tables is there, and there are more than so many.
fn shown_by(page: &str, more_than: usize) {
    let root = root();
    let text = fs::read_to_string(root.join(page)).unwrap();
    let named = Regex::new(r"`([a-z][a-z0-9_]{12,})`").unwrap();
    let mut sources = String::new();
    collect_sources(&root, &mut sources);
    let mut tests = 0;
    for line in text.lines().filter(|it| it.starts_with('|')) {
        let shown_by = line
            .trim_end_matches([' ', '|'])
            .rsplit(" | ")
            .next()
            .unwrap();
        for found in named.captures_iter(shown_by) {
            tests += 1;
            let is_there = ["fn ", "def "]
                .iter()
                .any(|kind| sources.contains(&format!("{kind}{}(", &found[1])));
            assert!(is_there, "{}", &found[1]);
        }
    }
    assert!(tests > more_than, "{page}: {tests}");
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.lines().count() <= 140, "{}", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

/// In both directions: what is served stands there, and what stands there is made somewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_metrics_is_what_both_programs_serve() {
    let page = fs::read_to_string(root().join("docs/reference/metrics.md")).unwrap();
    let row = Regex::new(r"(?m)^\| `([a-z_]+)(?:\{[a-z,]+\})?` \| [^|]+ \| [^|]+ \|$").unwrap();
    let told: Vec<_> = row
        .captures_iter(&page)
        .map(|it| it[1].to_owned())
        .collect();
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    verifier.serving().await;
    // What is counted by method or by outcome is served once there was one.
    let file = house.path("one.jsonl");
    fs::write(
        &file,
        "{\"put_user\":{\"id\":\"u-ada\",\"name\":\"ada\"}}\n",
    )
    .unwrap();
    let imported = house.tokenward(&[
        "directory",
        "import",
        &file.display().to_string(),
        "--issuer",
        &tls::url(&issuer.address),
        "--credential-file",
        &house.path("feeder.credential").display().to_string(),
    ]);
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    let scraped = |address: &str| {
        let (_, text) = http::get(address, "/metrics").unwrap();
        let help = text.lines().filter_map(|it| it.strip_prefix("# HELP "));
        help.map(|it| it.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let served = [scraped(&issuer.admin), scraped(&verifier.admin)].concat();
    for name in &served {
        assert!(
            told.contains(name),
            "docs/reference/metrics.md lacks {name}"
        );
    }
    // With a ring, with operators of the verifier's, and with TLS: `keys`, `operators` and `tls` look at
    // these.
    let elsewhere = [
        "tokenward_issuer_tls_files_broken",
        "tokenward_issuer_tls_certificate_expiry_timestamp_seconds",
        "tokenward_issuer_tls_handshakes_total",
        "tokenward_verifier_tls_files_broken",
        "tokenward_verifier_tls_certificate_expiry_timestamp_seconds",
        "tokenward_verifier_tls_handshakes_total",
        "tokenward_issuer_key_ring_broken",
        "tokenward_verifier_credentials_broken",
        "tokenward_verifier_unknown_credentials_total",
    ];
    for name in &told {
        let is_served = served.contains(name) || elsewhere.contains(&name.as_str());
        assert!(is_served, "nothing serves {name}");
    }
    assert!(told.len() > 40, "{}", told.len());
}
