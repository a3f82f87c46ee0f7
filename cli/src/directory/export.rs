//! `tokenward directory export` writes all records as the lines that an import accepts.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokenward_proto::v1::ExportRequest;

use super::{Directory, kinds, list::Kind, view};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::{Output, cut},
    table,
};

const BEFORE: &str = "\
Examples:
  tokenward directory export hub.jsonl
  tokenward directory export - | zstd > hub.jsonl.zst
  tokenward directory export --only users,orgs accounts.jsonl

The file holds the JSON Lines that `tokenward directory import` takes: ";

const AFTER: &str = "\
FILE is written as a whole or not at all. Others may write at the same time: every record in the file
is at least as new as the printed revision. What belongs to something deleted is left out. Tokens,
revocations and the audit trail are not in the file.";

pub(super) fn help() -> String {
    format!("{BEFORE}{}. {AFTER}", kinds::IN_ORDER)
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Write the records to this file. A file named - is standard output.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write only the records of these kinds. Separate several kinds by commas. Without this option
    /// all kinds are written.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Kind>,
}

pub(super) async fn run(args: Export, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let mut directory = Directory::connect(global).await?;
    let kinds = args.only.iter().map(|kind| kind.0.into()).collect();
    let stdout = args.file == Path::new("-");
    let mut target = match stdout {
        true => Target::Stdout(BufWriter::new(io::stdout())),
        false => Target::file(&args.file)?,
    };
    let bar = match output.is_json() {
        true => ProgressBar::hidden(),
        false => spinner(),
    };
    let told = directory
        .tell(ExportRequest { kinds }, global, &mut target, &bar)
        .await;
    bar.finish_and_clear();
    let (records, revision) = told?;
    target.finish()?;
    let text = table::fields([
        ("records", records.to_string()),
        ("revision", revision.clone()),
    ]);
    if stdout {
        output.note(text.trim_end());
    } else {
        output.answer(&text, &json!({ "records": records, "revision": revision }))?;
    }
    Ok(Exit::Ok)
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {human_pos} records {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Directory {
    /// Writes all records. Returns their number, and the revision that every record is at least as new as.
    async fn tell(
        &mut self,
        request: ExportRequest,
        global: &Global,
        target: &mut Target,
        bar: &ProgressBar,
    ) -> Result<(u64, String), Failure> {
        let Self { client, server, .. } = self;
        // The whole export has no deadline: each answer has its own.
        let late = |_| server.late();
        let call = tokio::time::timeout(global.timeout, client.export(request));
        let call = call.await.map_err(late)?;
        let mut answers = call.map_err(|status| server.failure(&status))?.into_inner();
        let mut records = 0;
        loop {
            let answer = tokio::time::timeout(global.timeout, answers.message());
            let answer = answer.await.map_err(late)?;
            let Some(answer) = answer.map_err(|status| server.failure(&status))? else {
                let text = "the issuer ended the export before its end";
                return Err(Failure::new(Exit::Unavailable, text).next("try again"));
            };
            for operation in answer.operations {
                let line = view::line(operation)?;
                target.line(&line.to_string())?;
                records += 1;
            }
            bar.set_position(records);
            if !answer.revision.is_empty() {
                return Ok((records, answer.revision));
            }
        }
    }
}

/// Where the export is written. A file gets its name only when it is complete.
enum Target {
    Stdout(BufWriter<io::Stdout>),
    File {
        out: BufWriter<File>,
        new: PathBuf,
        path: PathBuf,
        whole: bool,
    },
}

impl Target {
    fn file(path: &Path) -> Result<Self, Failure> {
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}.new", std::process::id()));
        let new = PathBuf::from(new);
        let file = File::create_new(&new).map_err(|error| unwritable(&new, &error))?;
        Ok(Self::File {
            out: BufWriter::with_capacity(256 << 10, file),
            new,
            path: path.to_owned(),
            whole: false,
        })
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        match self {
            Self::Stdout(out) => writeln!(out, "{line}").map_err(|error| cut(&error)),
            Self::File { out, new, .. } => {
                writeln!(out, "{line}").map_err(|error| unwritable(new, &error))
            }
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        match &mut self {
            Self::Stdout(out) => out.flush().map_err(|error| cut(&error)),
            Self::File {
                out,
                new,
                path,
                whole,
            } => {
                let kept = out.flush().and_then(|()| out.get_ref().sync_all());
                kept.map_err(|error| unwritable(new, &error))?;
                std::fs::rename(&new, &path).map_err(|error| unwritable(path, &error))?;
                *whole = true;
                Ok(())
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Self::File {
            new, whole: false, ..
        } = self
        {
            // An error is ignored: the earlier failure is the one that is reported.
            let _ = std::fs::remove_file(new);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} can't be written: {error}", path.display()))
}
