//! `tokenward realm backup` and `restore` run the issuer's library on a store: no issuer is asked.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokenward_common::store::archive::{ArchiveError, Summary};
use tokenward_issuer::archive;

use super::Place;
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    table,
};

pub(super) const BACKUP: &str = "\
Examples:
  tokenward realm backup --realm hub --store embedded:hub.redb --to hub.backup
  TOKENWARD_STORE=redis://127.0.0.1:6379 tokenward realm backup --realm hub --to hub.backup

The file holds the directory, all revocations, what is known of each token, and the audit trail. It
holds no token and no signing key. It is written whole or not at all, only its owner may read it,
and each part of it has a checksum. Over Redis issuers and verifiers go on meanwhile, and the file
shows the moment at which the command ends. A file of an embedded store belongs to its issuer: stop
the issuer first, and start it again afterwards.";

pub(super) const RESTORE: &str = "\
Examples:
  tokenward realm restore --from hub.backup --realm hub --store embedded:new.redb
  TOKENWARD_STORE=redis://127.0.0.1:6379 tokenward realm restore --from hub.backup --realm hub

The whole file is checked before anything is written. The realm gets a new log, and its serials go on
1,048,576 times 1 to 2,048 past the backup's, as chance says, so that no token's serial is given out
twice. What was revoked after the backup is not revoked in it: docs/guide/backup.md says what to do then. No issuer opens the realm
before the restore is done. If a restore into Redis breaks off, delete the keys that begin with
{tw:REALM}: and begin again.";

#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    place: Place,
    /// Write the backup to this file, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    place: Place,
    /// Read the backup from this file. It must be of a realm of this name, because the tokens name it.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

pub(super) async fn back_up(
    args: &Backup,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let (store, options) = args.place.read(global)?;
    let bar = bar(output);
    let told = |done, of| tell(&bar, done, of);
    let done = archive::back_up(&store, &args.place.realm, options, &args.to, &told).await;
    bar.finish_and_clear();
    answer(&done.map_err(failure)?, output)
}

pub(super) async fn restore(
    args: &Restore,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let (store, options) = args.place.read(global)?;
    let bar = bar(output);
    let told = |done, of| tell(&bar, done, of);
    let done = archive::restore(&args.from, &store, &args.place.realm, options, &told).await;
    bar.finish_and_clear();
    answer(&done.map_err(failure)?, output)
}

fn bar(output: &Output) -> ProgressBar {
    if output.is_json() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} records {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}

fn answer(done: &Summary, output: &Output) -> Result<Exit, Failure> {
    let head = done.head;
    let records: u64 = head.counts.kinds.iter().sum();
    let revision = head.cursor.token();
    let text = table::fields([
        ("records", records.to_string()),
        ("revoked", head.counts.revoked.to_string()),
        ("serial", head.serial.to_string()),
        ("revision", revision.clone()),
    ]);
    let value = json!({
        "records": records,
        "revoked": head.counts.revoked,
        "serial": head.serial.0,
        "revision": revision,
    });
    output.answer(&text, &value)?;
    Ok(Exit::Ok)
}

fn failure(error: ArchiveError) -> Failure {
    let exit = match &error {
        ArchiveError::There(_) => Exit::Conflict,
        ArchiveError::Unusable(..) | ArchiveError::OtherRealm(_) => Exit::Usage,
        ArchiveError::Feed(tokenward_common::store::FeedError::Unavailable(_)) => Exit::Unavailable,
        _ => Exit::Other,
    };
    let source = std::error::Error::source(&error);
    let why = source
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    let next = match &error {
        ArchiveError::Unusable(..) => "take another backup; nothing was written",
        ArchiveError::OtherRealm(_) => "name that realm with --realm; nothing was written",
        _ => "",
    };
    Failure::new(exit, format!("{error}{why}")).next(next)
}
