//! Generates the pages of `docs/reference/` from the code: the options of each program, the permissions,
//! the reasons of a denial. A test compares the committed pages with them.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use clap::{Arg, Command, CommandFactory as _};
use tokenward_common::{access::Permission, token::EntityKind};

use crate::{args::Cli, permissions};

const HOW: &str = "TOKENWARD_REGENERATE=1 cargo test --profile ci -p tokenward reference";
const ERRORS: &str = include_str!("../../common/src/status/reasons.tsv");
const VERIFIER_PROTO: &str = include_str!("../../proto/tokenward/v1/verifier.proto");

fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("tokenward.md", command_page(Cli::command())),
        (
            "tokenward-issuer.md",
            command_page(tokenward_issuer::config::Args::command()),
        ),
        (
            "tokenward-verifier.md",
            command_page(tokenward_verifier::config::Args::command()),
        ),
        ("permissions.md", permissions_page()),
        ("reasons.md", reasons_page()),
        ("errors.md", errors_page()),
    ]
}

#[test]
fn pages_are_fresh() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    let write = env::var_os("TOKENWARD_REGENERATE").is_some();
    for (name, page) in pages() {
        let path = folder.join(name);
        if write {
            fs::write(&path, page).unwrap();
            continue;
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "docs/reference/{name} is stale: {HOW}");
    }
}

fn head(title: &str, about: &str) -> String {
    format!("# {title}\n\n{about}\n\nThis page is made from the code (`{HOW}`).\n")
}

/// Returns the page of a program with all of its commands, each with its options.
fn command_page(mut command: Command) -> String {
    command.build();
    let about = text(command.get_long_about().or(command.get_about()));
    let mut page = head(&format!("`{}`", command.get_name()), &sentence(&about));
    page.push_str(
        "\nAn option can also be set by the environment variable that stands beside it.\n",
    );
    let mut shared = Vec::new();
    options(&mut page, &command, &mut shared);
    example(&mut page, &command);
    let above = command.get_name().to_owned();
    for sub in command.get_subcommands() {
        commands(&mut page, sub, &above, &shared);
    }
    page
}

fn commands(page: &mut String, command: &Command, above: &str, shared: &[String]) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name = format!("{above} {}", command.get_name());
    let about = text(command.get_long_about().or(command.get_about()));
    let _ = write!(page, "\n## `{name}`\n\n{}\n", sentence(&about));
    let mut shared = shared.to_vec();
    options(page, command, &mut shared);
    example(page, command);
    for sub in command.get_subcommands() {
        commands(page, sub, &name, &shared);
    }
}

/// Appends the options of a command. An option that all subcommands share is described once, at the parent
/// command.
fn options(page: &mut String, command: &Command, shared: &mut Vec<String>) {
    let told =
        |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let fresh: Vec<&Arg> = command
        .get_arguments()
        .filter(told)
        .filter(|arg| !shared.contains(&arg.get_id().to_string()))
        .collect();
    if !fresh.is_empty() {
        page.push('\n');
    }
    for arg in fresh {
        let _ = writeln!(page, "- {}", option(arg));
        if arg.is_global_set() {
            shared.push(arg.get_id().to_string());
        }
    }
}

fn option(arg: &Arg) -> String {
    let values: Vec<_> = arg.get_value_names().unwrap_or_default().iter().collect();
    let takes = arg.get_action().takes_values();
    let values = match takes {
        true => values
            .iter()
            .map(|it| format!("<{it}>"))
            .collect::<Vec<_>>()
            .join(" "),
        false => String::new(),
    };
    let name = match arg.get_long() {
        Some(long) => format!("--{long} {values}"),
        None => values,
    };
    let mut facts = Vec::new();
    if arg.is_required_set() {
        facts.push("required".to_owned());
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|it| it.to_string_lossy())
        .collect();
    if takes && !defaults.is_empty() {
        facts.push(format!("default `{}`", defaults.join(" ")));
    }
    let possible: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|it| format!("`{}`", it.get_name()))
        .collect();
    if takes && !possible.is_empty() && !arg.is_hide_possible_values_set() {
        facts.push(format!("one of {}", possible.join(", ")));
    }
    if let Some(variable) = arg.get_env() {
        facts.push(format!("`{}`", variable.to_string_lossy()));
    }
    let facts = match facts.is_empty() {
        true => String::new(),
        false => format!(" ({})", facts.join("; ")),
    };
    let help = text(arg.get_long_help().or(arg.get_help()));
    format!(
        "`{}`{facts}: {}",
        name.trim_end(),
        one_line(&sentence(&help))
    )
}

fn example(page: &mut String, command: &Command) {
    let after = text(command.get_after_long_help().or(command.get_after_help()));
    if !after.is_empty() {
        let _ = write!(page, "\n```text\n{}\n```\n", after.trim_end());
    }
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sentence(text: &str) -> String {
    let text = text.trim_end();
    match text.ends_with(['.', ':', '?', '!']) || text.is_empty() {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn permissions_page() -> String {
    let mut page = head(
        "Permissions",
        "What a scope may name and what a Check may ask for. `tokenward permissions` prints the same \
         as cards.",
    );
    page.push_str(
        "\n- *asked on*: the kinds of thing on which a Check may ask for it; on others it is `INVALID_ARGUMENT`.\n\
         - *scoped on*: the kinds on which a scope of a `fineGrained` token may name it.\n\
         - *token role*: the least role of a token that has it without a scope.\n\
         - *org role*: the least role in an org by which a member has it there.\n\
         - *on a repo*: what its owner must be able to do with the repo.\n\
         - *bound*: which of the verifier's bounds counts for it, `--bound-read`, `--bound-write` or `--bound-infer`.\n",
    );
    page.push_str("\n| permission | for | asked on | scoped on | implied by | global | token role | org role | on a repo | bound |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for it in Permission::ALL {
        let kinds = |kinds: &mut dyn Iterator<Item = EntityKind>| {
            kinds.map(EntityKind::word).collect::<Vec<_>>().join(", ")
        };
        let implied: Vec<_> = it
            .implied_by()
            .map(|it| format!("`{}`", it.name()))
            .collect();
        let cells = [
            format!("`{}`", it.name()),
            it.about().to_owned(),
            kinds(&mut it.asked_on()),
            kinds(&mut it.scoped_on()),
            implied.join(", "),
            if it.in_global() { "yes" } else { "" }.to_owned(),
            permissions::token_role(*it).unwrap_or_default().to_owned(),
            permissions::org_role(*it).unwrap_or_default().to_owned(),
            permissions::on_a_repo(*it).unwrap_or_default().to_owned(),
            format!("{:?}", it.class()).to_lowercase(),
        ];
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page
}

/// Returns the page of the reasons, from the comments of the enum itself. A reason without its own comment
/// belongs to the group of the comment before it.
fn reasons_page() -> String {
    let mut page = head(
        "Reasons of a denial",
        "Every `DENY` of a Check carries one of these reasons, and a message for people that names the \
         missing half and how to mend it. The first refusal is the reason. A view that is too old, or a key that is not known yet, is no denial: \
         it is `UNAVAILABLE`.",
    );
    page.push_str("\n| reason | number | it means |\n|---|---|---|\n");
    let body = VERIFIER_PROTO.split("enum Reason {").nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let (mut comment, mut fresh) = (String::new(), false);
    for line in body.lines().map(str::trim).filter(|it| !it.is_empty()) {
        if let Some(text) = line.strip_prefix("//") {
            if !fresh {
                comment.clear();
            }
            fresh = true;
            comment.push_str(text);
            continue;
        }
        let (name, number) = line.trim_end_matches(';').split_once(" = ").unwrap();
        fresh = false;
        if number == "0" {
            continue;
        }
        let name = name.strip_prefix("REASON_").unwrap().to_lowercase();
        let _ = writeln!(page, "| `{name}` | {number} | {} |", comment.trim());
    }
    page
}

fn errors_page() -> String {
    let mut page = head(
        "Errors",
        "Every gRPC error of an issuer or a verifier carries `google.rpc.ErrorInfo` with the domain \
         `tokenward` and one of these reasons. A reason keeps its name for ever. Where a pause stands, \
         `RetryInfo` names it: the same call may then succeed without anybody's doing. A denial of a \
         Check is no error: see [reasons](reasons.md).",
    );
    page.push_str("\n| reason | gRPC code | pause, in seconds |\n|---|---|---|\n");
    for line in ERRORS.lines().filter(|it| !it.starts_with('#')) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap();
        let (reason, code, pause) = (next(), next(), next());
        let pause = if pause == "0" { "" } else { pause };
        let _ = writeln!(page, "| `{reason}` | `{code}` | {pause} |");
    }
    page
}
