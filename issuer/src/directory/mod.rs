//! The hub's directory: users, orgs, members, groups, policies, repos, gate grants, as the hub feeds
//! them.
//!
//! | module | decides |
//! |---|---|
//! | `plan`, `known`, `drafts` | whether a batch may be written, and by which expectations |
//! | `class` | how urgent a batch is, and whether it may use the room that is kept for takeaways |
//! | `mask` | what a put of some fields comes to |
//! | `ends` | which ids and memberships are over for good |
//! | `redirects` | which old names lead where |
//! | `read` | what is found, listed and exported |
//! | `wire`, `ask` | nothing: operations and questions, from messages |
//!
//! Decides which batches are written. Each is validated whole before anything is written, and is
//! atomic; two issuers writing at once are kept apart by expectations, not by luck.

pub mod ask;
mod class;
mod drafts;
mod ends;
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

/// Operations in one batch: each is at most two changes of an entry.
pub const MAX_OPERATIONS: usize = 100;

#[derive(Clone)]
pub struct Directory {
    pub store: Arc<dyn Store>,
    pub replica: Arc<Replica>,
}

/// One caller's stream of batches: later ones may build on earlier ones that aren't durable yet.
#[derive(Default)]
pub struct Session {
    earlier: Earlier,
}

impl Directory {
    /// The operations of one batch, right by their type.
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
            // What it takes away may be newer than the own view was.
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
                // What it builds on may have been acknowledged a moment ago, by another issuer.
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

    /// By what the view shows, and so anew after each time that it caught up.
    fn class(&self, operations: &[Operation]) -> CommitClass {
        match self.replica.view() {
            Some(view) => match whole(&view.state, operations) {
                Ok(whole) => class::class(&view.state, &whole.operations),
                // The plan says why.
                Err(_) => CommitClass::Ordinary,
            },
            None => CommitClass::Ordinary,
        }
    }

    /// Plans a batch of an import over what its session has on its way. `None`: everything on its way
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
        // A record that is on its way is not yet what the state shows.
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

    /// Commits a batch of an import as planned, and planned anew by itself when others moved what it
    /// expects.
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

    /// Everything that the session had on its way has arrived, here or at the store.
    pub async fn caught_up(&self, session: &mut Session) -> Result<(), Problem> {
        self.catch_up().await?;
        session.earlier = Earlier::default();
        Ok(())
    }

    /// What the session sent before the last turn was all acknowledged, by this cursor at the latest:
    /// once the own view shows it, it is forgotten.
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
