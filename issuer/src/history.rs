//! Opens a new history when the store lost what this issuer acknowledged, and brings back what was lost. It
//! decides what of this issuer's view goes back into the store; which issuer does it, and when the others may
//! vouch for it, is decided by the store.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use tokenward_common::{
    id::LogId,
    replica::{Replica, scan},
    state::{
        State,
        record::{Change, Record},
    },
    store::{Bring, Feed, Reason, Recalled, Reopening, Store, entries},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::ability::Ability;

/// The issuer looks at this interval whether the store lost something, and whether the others have handed in
/// what they remember.
const LOOK: Duration = Duration::from_millis(100);

/// Watches the history until stopped.
pub(crate) async fn watch(
    store: Arc<dyn Store>,
    replica: Arc<Replica>,
    ability: Arc<Ability>,
    stop: CancellationToken,
) {
    let watching = async {
        let mut compared = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if !matches!(
                ability.unable(),
                Some(Reason::Rollback | Reason::Reopened | Reason::Unvouched)
            ) {
                continue;
            }
            match reopen(&*store, &replica, &mut compared).await {
                Ok(Some(brought)) => {
                    info!(
                        entries = brought.entries,
                        changes = brought.changes,
                        "all that the issuers remembered is in the new history"
                    );
                    if brought.left_out > 0 {
                        error!(
                            records = brought.left_out,
                            "the hub must feed its directory again: the new history lacks records that \
                             only the hub may add (tokenward realm histories)"
                        );
                    }
                    ability.doubted();
                }
                Ok(None) => {}
                Err(problem) => warn!("the new history is not whole yet: {problem:#}"),
            }
        }
    };
    stop.run_until_cancelled(watching).await;
}

/// What was brought back into a history.
#[derive(Default, Debug)]
struct Brought {
    entries: usize,
    changes: usize,
    /// Records that the view holds and the store lacks, and that only the hub may add.
    left_out: usize,
}

/// Returns what was brought back once that is done, and `None` while there is nothing to bring, or others do
/// it. `compared` names the log whose last view was compared with the store already: what came back after that
/// is newer than the view, and a second comparison would undo it.
async fn reopen(
    store: &dyn Store,
    replica: &Replica,
    compared: &mut Option<LogId>,
) -> Result<Option<Brought>> {
    let state = replica.cursor();
    let Reopening::Leads { parent, bring, all } = store.reopen(&state).await? else {
        return Ok(None);
    };
    if !all {
        return Ok(None);
    }
    let mut brought = Brought::default();
    let recalled = store.recalled().await.context("what was handed in")?;
    let has_state = bring != Bring::Nothing && state.log == parent;
    let (seen, later): (Vec<_>, Vec<_>) = recalled
        .into_iter()
        .partition(|entry| has_state && entry.revision <= state.revision);
    bring_back(store, &seen, &mut brought).await?;
    if has_state && *compared != Some(parent) {
        let held = scan(store as &dyn Feed).await.context("the snapshot")?;
        let groups: Vec<Vec<Change>> = {
            let view = replica.view().context("the view is broken")?;
            let changes = view.state.changes_for(&held);
            let kept = changes.filter(|change| {
                let goes_back = goes_back(change, bring, &held);
                brought.left_out += usize::from(!goes_back);
                goes_back
            });
            entries(kept).collect()
        };
        for group in groups {
            brought.changes += group.len();
            store.bring(group).await.context("what the view holds")?;
        }
        *compared = Some(parent);
    }
    // What is later than the view comes after it, or the view's older records would replace it.
    bring_back(store, &later, &mut brought).await?;
    store.settle().await.context("the end of the opening")?;
    *compared = None;
    Ok(Some(brought))
}

async fn bring_back(store: &dyn Store, recalled: &[Recalled], brought: &mut Brought) -> Result<()> {
    for entry in recalled {
        let revision = entry.revision.0;
        let back = store.bring_back(entry).await;
        back.with_context(|| format!("revision {revision} of the log before"))?;
        brought.entries += 1;
    }
    Ok(())
}

/// Whether a change of what the view holds goes back into the store. Whatever takes away does. A record that
/// would give somebody more comes from the hub, with the names that it takes.
fn goes_back(change: &Change, bring: Bring, held: &State) -> bool {
    if change.only_takes_away() {
        return true;
    }
    match change {
        _ if bring == Bring::Kept => false,
        Change::Put(record) => match record {
            Record::User(_)
            | Record::Org(_)
            | Record::Group(_)
            | Record::Repo(_)
            | Record::Redirect(_) => held
                .record(&record.key())
                .is_some_and(|old| has_same_name(&old, record)),
            Record::Member(_) | Record::GroupMember(_) | Record::GateGrant(_) => {
                held.record(&record.key()).is_some()
            }
            _ => true,
        },
        _ => true,
    }
}

/// Whether two records take the same names, which the store knows apart from them.
fn has_same_name(old: &Record, new: &Record) -> bool {
    match (old, new) {
        (Record::User(old), Record::User(new)) => old.name == new.name,
        (Record::Org(old), Record::Org(new)) => old.name == new.name,
        (Record::Repo(old), Record::Repo(new)) => {
            (&old.owner, &old.name) == (&new.owner, &new.name)
        }
        _ => true,
    }
}
