//! The hub's directory: users, orgs, members, groups, policies, repos and gate grants, as the hub writes
//! them.
//!
//! | module | decides |
//! |---|---|
//! | `kinds` | what there is to know of each kind: its fields, what it hangs on, what takes access |
//! | `plan`, `known`, `drafts` | whether a batch may be written, and with which expectations |
//! | `class` | how urgent a batch is, and whether it may use the room that is kept for takeaways |
//! | `mask` | which record a put of some fields results in |
//! | `ends` | which ids and memberships have ended for good |
//! | `redirects` | where an old name leads |
//! | `read` | what is found, listed and exported |
//! | `wire`, `ask` | nothing: they read operations and questions from messages |
//!
//! Decides which batches are written. Each batch is validated whole before anything is written, and is
//! atomic. Expectations keep two issuers apart that write at the same time. It must not know tokens.

pub mod ask;
mod class;
mod drafts;
mod ends;
mod kinds;
mod known;
mod mask;
mod plan;
mod read;
mod redirects;
mod wire;

use std::{future::ready, sync::Arc};

use tokenward_common::{
    id::Cursor,
    replica::Replica,
    store::{CommitClass, Store},
};
use tokenward_proto::v1 as pb;

use crate::{
    commit::{Effort, Plan, commit},
    error::Problem,
    request::{Audited, Request},
    view::{catch_up, caught_up_with},
};
use drafts::Earlier;
use mask::{is_update, whole};
use plan::{NoPlan, expect_unchanged, plan};
pub use read::{Export, Listed};
pub use wire::Operation;

/// A batch has at most this many operations. Each operation is at most two changes of an entry.
pub const MAX_OPERATIONS: usize = 100;

#[derive(Clone)]
pub struct Directory {
    pub store: Arc<dyn Store>,
    pub replica: Arc<Replica>,
}

/// A session is one caller's stream of batches. Later ones may build on earlier ones that aren't durable yet.
#[derive(Default)]
pub struct Session {
    earlier: Earlier,
}

impl Directory {
    /// Parses the operations of one batch, and checks each by its type alone.
    pub fn parse(operations: Vec<pb::Operation>) -> Result<Vec<Operation>, Problem> {
        if operations.is_empty() || operations.len() > MAX_OPERATIONS {
            let rule = format!("must be 1 to {MAX_OPERATIONS}");
            return Err(Problem::invalid("operations", rule));
        }
        operations
            .into_iter()
            .enumerate()
            .map(|(index, operation)| wire::operation(index, operation))
            .collect()
    }

    /// Writes one batch.
    pub async fn write(
        &self,
        request: &Request,
        operations: Vec<pb::Operation>,
    ) -> Result<Cursor, Problem> {
        let operations = Self::parse(operations)?;
        let written = self.write_once(request, &operations).await;
        if let Err(Problem::Short(_)) = &written {
            // What the batch takes away may be newer than the own view was.
            self.catch_up().await?;
            if self.class(&operations) == CommitClass::Takeaway {
                return self.write_once(request, &operations).await;
            }
        }
        written
    }

    async fn write_once(
        &self,
        request: &Request,
        operations: &[Operation],
    ) -> Result<Cursor, Problem> {
        let plan = || async {
            match self.plan_alone(self.class(operations), operations) {
                // Another issuer may have acknowledged a moment ago what the batch builds on.
                Err(_) => {
                    self.catch_up().await?;
                    let class = self.class(operations);
                    self.plan_alone(class, operations).map(Some)
                }
                Ok(plan) => Ok(Some(plan)),
            }
        };
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let written = commit(store, replica, request, Effort::Ordinary, plan).await;
        written.map(|(cursor, _)| cursor)
    }

    /// Returns the batch's class by what the view shows, so it must be computed anew after each catch-up.
    fn class(&self, operations: &[Operation]) -> CommitClass {
        match self.replica.view() {
            Some(view) => match whole(&view.state, operations) {
                Ok(whole) => class::class(&view.state, &whole.operations),
                // The plan will say why the batch is refused.
                Err(_) => CommitClass::Ordinary,
            },
            None => CommitClass::Ordinary,
        }
    }

    /// Plans a batch of an import over what its session has in flight. `None` means that everything in flight
    /// must arrive first; then call [`caught_up`](Self::caught_up) and plan again.
    pub(crate) fn plan_import(
        &self,
        session: &mut Session,
        operations: &[Operation],
    ) -> Result<Option<Plan>, Problem> {
        self.plan(session, CommitClass::Import, operations)
    }

    fn plan_alone(&self, class: CommitClass, operations: &[Operation]) -> Result<Plan, Problem> {
        let planned = self.plan(&mut Session::default(), class, operations)?;
        planned.ok_or(Problem::Internal)
    }

    fn plan(
        &self,
        session: &mut Session,
        class: CommitClass,
        operations: &[Operation],
    ) -> Result<Option<Plan>, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        // The state doesn't show a record that is in flight yet.
        if operations.iter().any(is_update) && !session.earlier.is_empty() {
            return Ok(None);
        }
        let whole = whole(&view.state, operations)?;
        let mut writes = match plan(&view.state, &mut session.earlier, &whole.operations) {
            Ok(writes) => writes,
            Err(NoPlan::Problem(problem)) => return Err(problem),
            Err(NoPlan::Behind) => return Ok(None),
        };
        expect_unchanged(&mut writes, view.state.cursor().revision, whole.over);
        let audited = vec![Audited::of(operations.len())];
        Ok(Some(Plan::new(class, writes, audited, ())))
    }

    /// Commits a batch of an import as planned. If another writer changed what the plan expects, the batch is
    /// planned anew on its own.
    pub(crate) async fn commit_import(
        &self,
        request: &Request,
        planned: Plan,
        operations: &[Operation],
    ) -> Result<Cursor, Problem> {
        let mut planned = Some(planned);
        let plan = || {
            let plan = match planned.take() {
                Some(plan) => Ok(plan),
                None => self.plan_alone(CommitClass::Import, operations),
            };
            ready(plan.map(Some))
        };
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let written = commit(store, replica, request, Effort::Ordinary, plan).await;
        written.map(|(cursor, _)| cursor)
    }

    /// Waits until everything that the session had in flight shows in the own view, then forgets the drafts.
    pub async fn caught_up(&self, session: &mut Session) -> Result<(), Problem> {
        self.catch_up().await?;
        session.earlier = Earlier::default();
        Ok(())
    }

    /// Forgets the drafts that the session sent before the last turn, once the own view shows `newest`. All
    /// of them were acknowledged by this cursor at the latest.
    pub async fn turn(&self, session: &mut Session, newest: Option<Cursor>) -> Result<(), Problem> {
        if let Some(newest) = newest {
            caught_up_with(&self.replica, newest).await?;
        }
        session.earlier.turn();
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), Problem> {
        catch_up(self.store.as_ref(), &self.replica).await
    }
}
