//! `tokenward directory import` writes the hub's directory to the issuer from JSON Lines.
//!
//! One thread reads and checks the lines, and a window limits the batches in flight, so memory use doesn't
//! depend on the file's size. A progress file records which batches were answered, so that an interrupted
//! import can resume.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::Args;
use sha2::{Digest, Sha256};
use tokenward_common::id::RevisionToken;
use tokenward_proto::v1::{
    ListRequest, RecordKind, directory_service_client::DirectoryServiceClient,
};

use super::{
    batch::{Batches, Mark},
    ledger::Ledger,
    progress::Progress,
    stream::{Shared, read_ahead},
};
use crate::{
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

const READ_BUFFER: usize = 256 << 10;

pub(super) const EXAMPLES: &str = r#"Examples:
  tokenward directory import hub.jsonl
  zstdcat hub.jsonl.zst | tokenward directory import -
  tokenward directory import --dry-run hub.jsonl
  tokenward directory import --progress /var/tmp/hub.progress /mnt/read-only/hub.jsonl

JSON Lines: one operation a line, one of
  {"put_user": {"id": "u1", "name": "ada", "disabled": false, "service_account_of": "",
                "display": {"full_name": "", "email": "", "avatar_url": "", "is_pro": false}}}
  {"put_org": {"id": "o7", "name": "acme",
               "display": {"full_name": "", "avatar_url": "", "plan": ""}}}
  {"put_member": {"org_id": "o7", "user_id": "u1",
                  "role": "no_access|read|contributor|write|admin"}}
  {"put_group": {"id": "g1", "org_id": "o7", "name": "research"}}
  {"put_group_member": {"group_id": "g1", "user_id": "u1", "role": "read|contributor|write|admin"}}
  {"put_org_policy": {"org_id": "o7", "policy": "admin_approval|fine_grained_only|allow",
                      "max_token_lifetime_seconds": 7776000}}
  {"put_repo": {"id": "m1", "owner_id": "o7", "name": "llama",
                "kind": "model|dataset|space|bucket|kernel|collection|endpoint",
                "visibility": "private|protected|public", "gate": "manual|auto|none",
                "creator_id": "u1", "disabled": false, "group_id": "", "org_members_gated": false}}
  {"put_gate_grant": {"repo_id": "m1", "user_id": "u1", "state": "pending|accepted|rejected"}}
  {"delete_user": "u1"}   {"delete_org": "o7"}   {"delete_repo": "m1"}
  {"delete_group": "g1"}  {"delete_org_policy": "o7"}
  {"delete_group_member": {"group_id": "g1", "user_id": "u1"}}
  {"delete_member": {"org_id": "o7", "user_id": "u1"}}
  {"delete_gate_grant": {"repo_id": "m1", "user_id": "u1"}}
Ids, names and words are required; flags, "display", "service_account_of", a repo's "creator_id"
and "group_id", and "max_token_lifetime_seconds" may be absent. A group's members are members of
its org. A put replaces the whole record; `tokenward directory put` changes some fields. Empty
lines are skipped.

Lines are sent in order, 100 in a batch, and each batch is written as a whole or not at all. A batch
with a mistake in any line is refused, and the command prints the line, the field and the rule. The
import then goes on. The exit code is 2 for mistakes that were found before sending, and 6 for
others. The same file may be sent again as long as nobody has written since. An older file undoes
what was changed after it, including locks and ended memberships.

FILE.progress states how far the issuer has answered. An import that was stopped goes on from there
when the same command is given again; at most 32 batches, which were not answered yet, are sent
twice. The progress file is removed once all of the file is answered. A file that was changed
meanwhile, or another realm, is refused: --restart begins anew. Standard input cannot be resumed."#;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Read the operations from this file. A file named - is standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Look for mistakes in the file and send nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Keep the import's progress in this file. Without this option it is kept in FILE.progress.
    #[arg(long, value_name = "PATH", conflicts_with = "dry_run")]
    pub(super) progress: Option<PathBuf>,
    /// Import the file from its beginning, even if an earlier import of it has made progress.
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) restart: bool,
}

impl Import {
    /// Returns the path of the progress file. `None`: this input can't be read again.
    fn progress_path(&self, length: Option<u64>) -> Result<Option<PathBuf>, Failure> {
        match (length, &self.progress) {
            (Some(_), Some(path)) => Ok(Some(path.clone())),
            (Some(_), None) => {
                let mut path = OsString::from(&self.file);
                path.push(".progress");
                Ok(Some(path.into()))
            }
            (None, None) if !self.restart => Ok(None),
            (None, _) => Err(Failure::usage(
                "--progress, --restart: only the import of a regular file can be resumed",
            )
            .next("import from a file, or leave the option away")),
        }
    }
}

pub(super) async fn run(args: Import, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let unreadable = |error| unreadable(&args.file, &error);
    let (mut input, length) = open(&args.file).map_err(unreadable)?;
    if args.dry_run {
        let mut ledger = Ledger::new(*output, length, None);
        for batch in Batches::new(input) {
            match batch.map_err(unreadable)? {
                batch if batch.mistakes.is_empty() => ledger.checked(&batch),
                batch => ledger.mistaken(&batch)?,
            }
        }
        return ledger.report(true);
    }

    let mut progress = match args.progress_path(length)? {
        Some(path) => Some(Progress::open(
            path,
            length.unwrap_or_default(),
            args.restart,
        )?),
        None => None,
    };
    let (begin, digest) = match &progress {
        Some(progress) => (
            progress.before.end.clone(),
            progress.verify(&mut input).map_err(unreadable)??,
        ),
        None => (Mark::default(), Sha256::new()),
    };
    let (channel, server) = connect::issuer(global).await?;
    let mut directory = DirectoryServiceClient::new(channel);
    if let Some(progress) = &mut progress {
        progress.settle_realm(realm(&mut directory, &server).await?)?;
        if begin.line > 0 {
            output.note(&progress.resumed());
        }
    }
    let import = Shared::new(Ledger::new(*output, length, progress));
    let batches = import.outgoing(read_ahead(Batches::after(input, &begin, digest)), args.file);
    let result = import
        .send(directory, batches, &server, global.timeout)
        .await;
    let mut ledger = import.ledger();
    match result.and_then(|()| ledger.complete()) {
        Ok(()) => ledger.report(false),
        Err(failure) => Err(ledger.stopped(failure)),
    }
}

/// Returns the issuer's log and its head revision.
async fn realm(
    directory: &mut DirectoryServiceClient<Issuer>,
    server: &Server,
) -> Result<RevisionToken, Failure> {
    let request = ListRequest {
        kind: RecordKind::User.into(),
        page_size: 1,
        ..ListRequest::default()
    };
    let answer = server.call(request, |it| directory.list(it)).await?;
    RevisionToken::parse(&answer.revision)
        .ok_or_else(|| Failure::new(Exit::Other, "the issuer's answer holds no revision"))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} can't be read: {error}", path.display()))
}

pub(super) type Input = Box<dyn BufRead + Send>;

fn open(path: &Path) -> io::Result<(Input, Option<u64>)> {
    if path == Path::new("-") {
        let input = BufReader::with_capacity(READ_BUFFER, io::stdin());
        return Ok((Box::new(input), None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let length = metadata.is_file().then_some(metadata.len());
    Ok((
        Box::new(BufReader::with_capacity(READ_BUFFER, file)),
        length,
    ))
}

#[cfg(test)]
mod tests;
