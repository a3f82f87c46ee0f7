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

use std::sync::Arc;

use tokenward_common::{
    id::Cursor,
    replica::Replica,
    store::{Class, Commit, CommitError, PrivateWrite, Store},
};
use tokenward_proto::v1 as pb;

use crate::{
    error::Problem,
    request::{Audited, Request},
    view::{catch_up, caught_up_with},
};
use drafts::Earlier;
use mask::{is_update, whole};
use plan::{Plan, Refusal, plan};
pub use read::{Export, Listed};
pub use wire::Operation;

/// Operations in one batch: each is at most two changes of an entry.
pub const MAX_OPERATIONS: usize = 100;
/// Tries against others who change the same records.
const MAX_TRIES: usize = 8;

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
        if let Some(cursor) = request.repeated(self.store.as_ref()).await? {
            return Ok(cursor.0);
        }
        let class = self.class(&operations);
        let mut session = Session::default();
        let planned = match self.plan(&mut session, request, class, &operations) {
            Ok(planned) => planned,
            // What it builds on may have been acknowledged a moment ago, by another issuer.
            Err(_) => {
                self.catch_up().await?;
                let class = self.class(&operations);
                self.plan(&mut session, request, class, &operations)?
            }
        };
        let commit = planned.ok_or(Problem::Internal)?;
        self.commit(request, commit, &operations).await
    }

    /// By what the view shows, and so anew after each time that it caught up.
    fn class(&self, operations: &[Operation]) -> Class {
        match self.replica.view() {
            Some(view) => match whole(&view.state, operations) {
                Ok(whole) => class::class(&view.state, &whole.operations),
                // The plan says why.
                Err(_) => Class::Ordinary,
            },
            None => Class::Ordinary,
        }
    }

    /// Plans a batch over what the session has on its way. `None`: everything on its way must
    /// arrive first; then call [`caught_up`](Self::caught_up) and plan again.
    pub fn plan_import(
        &self,
        session: &mut Session,
        request: &Request,
        operations: &[Operation],
    ) -> Result<Option<Commit>, Problem> {
        self.plan(session, request, Class::Import, operations)
    }

    fn plan(
        &self,
        session: &mut Session,
        request: &Request,
        class: Class,
        operations: &[Operation],
    ) -> Result<Option<Commit>, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        // A record that is on its way is not yet what the state shows.
        if operations.iter().any(is_update) && !session.earlier.is_empty() {
            return Ok(None);
        }
        let whole = whole(&view.state, operations)?;
        match plan(&view.state, &mut session.earlier, &whole.operations) {
            Ok(mut plan) => {
                plan.expect_unchanged(view.state.cursor().revision, whole.over);
                Ok(Some(commit(request, class, plan, operations.len())))
            }
            Err(Refusal::Problem(problem)) => Err(problem),
            Err(Refusal::Behind) => Ok(None),
        }
    }

    /// Commits a batch as planned, planning anew when others moved what it expects.
    pub async fn commit(
        &self,
        request: &Request,
        commit: Commit,
        operations: &[Operation],
    ) -> Result<Cursor, Problem> {
        let mut class = commit.class;
        let mut commit = commit;
        for _ in 0..MAX_TRIES {
            match self.store.commit(commit).await {
                Ok(committed) => {
                    if let Some(stored) = committed.repeated {
                        request.repeat_of(&stored)?;
                    }
                    return Ok(committed.cursor);
                }
                Err(CommitError::Conflict(_)) => self.catch_up().await?,
                // What it takes away may be newer than the own view was.
                Err(error @ CommitError::Short(_)) if class == Class::Ordinary => {
                    self.catch_up().await?;
                    if self.class(operations) != Class::Takeaway {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if class != Class::Import {
                class = self.class(operations);
            }
            let mut alone = Session::default();
            match self.plan(&mut alone, request, class, operations)? {
                Some(again) => commit = again,
                None => return Err(Problem::Internal),
            }
        }
        Err(Problem::Contended)
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

fn commit(request: &Request, class: Class, plan: Plan, operations: usize) -> Commit {
    let mut private = plan.private;
    private.push(PrivateWrite::Audit(request.audit(&Audited {
        operations,
        ..Audited::default()
    })));
    Commit {
        request: request.id,
        response: request.response(None),
        class,
        changes: plan.changes,
        private,
        expect: plan.expect,
    }
}
