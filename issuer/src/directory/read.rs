//! Reads the directory from the own view after it has caught up with the store, so an answer shows all that
//! was acknowledged before the call. Must not know who calls.

use tokenward_common::{
    id::Cursor,
    state::{
        Filters, Page, Place, Scan, Selection, State,
        record::{GroupMember, Record, RecordKey},
    },
};

use super::{
    Directory,
    ask::{PageToken, RecordName},
    kinds,
};
use crate::error::Problem;

/// At most this many records are read while the view is held.
const HELD: usize = 256;
/// The view is held at most this often for one page: some 25 ms of reading, whether records match or not.
const MOST_HOLDS: usize = 256;

/// Holds one page, and where the next page begins.
pub struct Listed {
    pub records: Vec<Record>,
    pub next: Option<PageToken>,
    /// Every record of the page is at least as new as this cursor.
    pub cursor: Cursor,
}

impl Directory {
    pub async fn record(&self, named: &RecordName) -> Result<(Record, Cursor), Problem> {
        self.catch_up().await?;
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let record = find(state, named).ok_or_else(|| Problem::NotFound(missing(named).into()))?;
        Ok((record, state.cursor()))
    }

    /// Lists a page of records. A page is shorter than `limit`, or even empty, only if few of the many
    /// records that were read match, or at the end of the list.
    pub async fn list(
        &self,
        selection: Selection,
        from: Option<PageToken>,
        limit: usize,
    ) -> Result<Listed, Problem> {
        self.catch_up().await?;
        let scan = Scan {
            selection,
            within: None,
        };
        let (identity, cursor) = {
            let view = self.replica.view().ok_or(Problem::Unavailable)?;
            parents(&view.state, &scan.selection.filters)?;
            (view.state.identity(), view.state.cursor())
        };
        if from.is_some_and(|from| from.identity != identity) {
            let rule = "is of another issuer, or of a view that this one no longer has: list again \
                        from the beginning";
            return Err(Problem::invalid("page_token", rule));
        }
        let mut records = Vec::new();
        let mut place = Some(from.map(|from| from.place).unwrap_or_default());
        for _ in 0..MOST_HOLDS {
            let Some(from) = place else { break };
            let most = HELD.min(limit - records.len());
            if most == 0 {
                break;
            }
            let page = self.page(identity, &scan, from, most)?;
            records.extend(page.records);
            place = page.next;
            tokio::task::yield_now().await;
        }
        Ok(Listed {
            records,
            next: place.map(|place| PageToken { identity, place }),
            cursor,
        })
    }

    /// Exports all records of these selections, in order. Concurrent writes may or may not be included, but a
    /// child is never exported without its parent.
    pub async fn export(&self, selections: Vec<Selection>) -> Result<Export, Problem> {
        self.catch_up().await?;
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let within = Some(view.state.horizon());
        let scan = |selection| Scan { selection, within };
        let mut scans: Vec<Scan> = selections.into_iter().map(scan).collect();
        scans.reverse();
        Ok(Export {
            directory: self.clone(),
            identity: view.state.identity(),
            cursor: view.state.cursor(),
            scans,
            place: Place::default(),
        })
    }

    fn page(&self, identity: u64, scan: &Scan, from: Place, most: usize) -> Result<Page, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        // The view was built anew, so its places mean nothing any more.
        if view.state.identity() != identity {
            return Err(Problem::Unavailable);
        }
        Ok(view.state.scan(scan, from, most))
    }
}

/// Reads one export, step by step.
pub struct Export {
    directory: Directory,
    identity: u64,
    /// Every record of the export is at least as new as this cursor.
    pub cursor: Cursor,
    /// These selections are left, in reverse order, so the next one is at the end.
    scans: Vec<Scan>,
    place: Place,
}

impl Export {
    /// Returns some more records, perhaps none, or `None` at the end of the export.
    pub fn more(&mut self) -> Result<Option<Vec<Record>>, Problem> {
        let Some(scan) = self.scans.last() else {
            return Ok(None);
        };
        let page = self.directory.page(self.identity, scan, self.place, HELD)?;
        match page.next {
            Some(place) => self.place = place,
            None => {
                self.scans.pop();
                self.place = Place::default();
            }
        }
        let view = self.directory.replica.view().ok_or(Problem::Unavailable)?;
        if view.state.cursor() == self.cursor {
            return Ok(Some(page.records));
        }
        // The members were exported already, so a user who joined an org, and then one of its groups, since
        // then is not among them.
        let mut records = Vec::with_capacity(page.records.len());
        for record in page.records {
            if let Record::GroupMember(member) = &record {
                match membership_of(&view.state, member) {
                    Some(membership) => records.push(membership),
                    None => continue,
                }
            }
            records.push(record);
        }
        Ok(Some(records))
    }
}

/// Returns the user's membership of the group's org, which an import needs before the group member.
fn membership_of(state: &State, member: &GroupMember) -> Option<Record> {
    let group = state.group(state.group_by_id(member.group.as_str())?)?;
    let org = state.account(group.org)?.id();
    let user = member.user.clone();
    state.record(&RecordKey::Member { org, user })
}

fn find(state: &State, named: &RecordName) -> Option<Record> {
    match named {
        RecordName::Key(key) => state.record(key),
        RecordName::Account(name) => {
            let account = state.account(state.account_by_name(name.as_str())?)?;
            let id = account.id();
            state.record(&match account.is_org {
                true => RecordKey::Org(id),
                false => RecordKey::User(id),
            })
        }
        RecordName::Repo { kind, owner, name } => {
            let repo = state.repo_by_name(*kind, owner.as_str(), name.as_str())?;
            state.record(&RecordKey::Repo(state.repo(repo)?.id()))
        }
    }
}

fn missing(named: &RecordName) -> &'static str {
    match named {
        RecordName::Key(key) => kinds::missing_text(key.kind()),
        RecordName::Account(_) => "there is no such account",
        RecordName::Repo { .. } => "there is no such repo",
    }
}

/// Checks that the records exist that the filters name.
fn parents(state: &State, filters: &Filters) -> Result<(), Problem> {
    let Filters {
        org,
        user,
        owner,
        repo,
        group,
        service_accounts: _,
    } = filters;
    let is_org = |id: &str| Some(state.account(state.account_by_id(id)?)?.is_org);
    let missing = |what: &str| Err(Problem::NotFound(format!("there is no such {what}")));
    if org
        .as_ref()
        .is_some_and(|id| is_org(id.as_str()) != Some(true))
    {
        return missing("org");
    }
    if user
        .as_ref()
        .is_some_and(|id| is_org(id.as_str()) != Some(false))
    {
        return missing("user");
    }
    if owner
        .as_ref()
        .is_some_and(|id| is_org(id.as_str()).is_none())
    {
        return missing("owner");
    }
    if group
        .as_ref()
        .is_some_and(|id| state.group_by_id(id.as_str()).is_none())
    {
        return missing("group");
    }
    if repo
        .as_ref()
        .is_some_and(|id| state.repo_by_id(id.as_str()).is_none())
    {
        return missing("repo");
    }
    Ok(())
}
