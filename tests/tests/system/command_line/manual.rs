//! The completions and the pages.

use std::process::Command;

use tokenward_tests::house::{House, Store, run};

use super::file;

/// What shells and `man` are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shells_and_man_know_the_commands() {
    let house = House::new(Store::Embedded);
    let script = house.tokenward(&["completions", "bash"]);
    assert_eq!(script.code, Some(0), "{}", script.err);
    let path = house.path("completions.bash");
    std::fs::write(&path, &script.out).unwrap();
    // Bash itself answers for the script.
    let mut command = Command::new("bash");
    command.args([
        "-c",
        r#"source "$0"; COMP_WORDS=(tokenward token rev); COMP_CWORD=2
        _tokenward tokenward rev token; echo "${COMPREPLY[*]}""#,
    ]);
    let completed = run(house.kept(), command.arg(&path));
    assert_eq!(completed.out.trim(), "revoke", "{}", completed.err);

    let out = file(&house, "man1");
    let made = house.tokenward(&["man", "--out", &out]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let page = std::fs::read_to_string(house.path("man1/tokenward-keys-rotate.1")).unwrap();
    assert!(page.contains("three steps"), "{page}");
}
