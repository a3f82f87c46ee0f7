//! One mutation, from the request to the durable write: the only way in which an issuer writes.
//!
//! A request that was answered before gets its first answer. Any other is planned from what is read now, and
//! committed with the plan's expectations. If another writer's commit came between, the plan is made anew.
//! This file must not know what is planned.

use tokenward_common::{
    id::{Cursor, Serial, TokenId},
    replica::Replica,
    state::{codec::encode_changes, record::Change},
    store::{Commit, CommitClass, CommitError, Expect, PrivateWrite, Store},
};
use tokenward_proto::internal::StoredRequest;

use crate::{
    error::Problem,
    request::{Audited, Request},
    view::catch_up,
};

/// What is written in one step, and what must hold for it.
#[derive(Default, Debug)]
pub(crate) struct Writes {
    pub(crate) changes: Vec<Change>,
    pub(crate) private: Vec<PrivateWrite>,
    pub(crate) expect: Vec<Expect>,
}

impl Writes {
    pub(crate) fn extend(&mut self, more: Self) {
        self.changes.extend(more.changes);
        self.private.extend(more.private);
        self.expect.extend(more.expect);
    }
}

/// One mutation, as it will be written.
pub(crate) struct Plan<T = ()> {
    pub(crate) class: CommitClass,
    writes: Writes,
    /// These records are written to the audit trail.
    audited: Vec<Audited>,
    /// What the caller is answered once the plan is durable.
    answer: T,
    token: Option<TokenId>,
    serial: Option<Serial>,
}

impl<T> Plan<T> {
    pub(crate) fn new(
        class: CommitClass,
        writes: Writes,
        audited: Vec<Audited>,
        answer: T,
    ) -> Self {
        let (token, serial) = (None, None);
        Self {
            class,
            writes,
            audited,
            answer,
            token,
            serial,
        }
    }

    /// Returns how many bytes the changes take in the log.
    pub(crate) fn bytes(&self) -> usize {
        encode_changes(&self.writes.changes).len()
    }

    /// Names the token that the plan is about, and the serial of the value that it makes, if any. A repeat of
    /// the request is answered from them.
    pub(crate) fn about(mut self, token: TokenId, serial: Option<Serial>) -> Self {
        (self.token, self.serial) = (Some(token), serial);
        self
    }
}

/// What a call does next, by what it has read.
pub(crate) enum Planned<T> {
    Write(Plan<T>),
    /// The records changed while they were read, so the plan is made anew at once.
    Anew,
    /// Others have written all that the call wanted to write.
    Nothing,
}

/// The outcome of a mutation that is durable.
pub(crate) enum Answer<T> {
    /// This call wrote the mutation.
    New(T),
    /// An earlier or concurrent call of the same request wrote the mutation.
    First(StoredRequest),
}

/// What is done when another writer's commit came between a plan and its own commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// Each try first looks the request id up. The issuer's own view catches up with the store before the
    /// next try.
    Ordinary,
    /// No try looks the request id up before its plan, or waits for the issuer's own view. A revocation needs
    /// neither: the store recognizes a repeat at the commit, and a revocation must succeed while the view is
    /// stuck. It has so many tries that no conflict makes it fail: each conflict means that another change of
    /// this very token was written, which takes longer than a try.
    Revocation,
}

impl Effort {
    fn tries(self) -> usize {
        match self {
            Self::Ordinary => 8,
            Self::Revocation => 100,
        }
    }
}

/// Plans and commits until the mutation is durable or refused. A plan is `None` if the records changed while
/// it read them; it is then made anew at once.
pub(crate) async fn commit<T, F>(
    store: &dyn Store,
    replica: &Replica,
    request: &Request,
    effort: Effort,
    mut plan: impl FnMut() -> F,
) -> Result<(Cursor, Answer<T>), Problem>
where
    F: Future<Output = Result<Option<Plan<T>>, Problem>>,
{
    let plan = || {
        let plan = plan();
        async move { Ok(plan.await?.map_or(Planned::Anew, Planned::Write)) }
    };
    let done = commit_if_needed(store, replica, request, effort, plan).await?;
    done.ok_or(Problem::Internal)
}

/// Does the same as [`commit`] for a mutation that can become needless. Returns `None` if it is needless.
pub(crate) async fn commit_if_needed<T, F>(
    store: &dyn Store,
    replica: &Replica,
    request: &Request,
    effort: Effort,
    mut plan: impl FnMut() -> F,
) -> Result<Option<(Cursor, Answer<T>)>, Problem>
where
    F: Future<Output = Result<Planned<T>, Problem>>,
{
    for _ in 0..effort.tries() {
        // A revocation does not wait for the look-up, because the store recognizes its repeat at the commit.
        if effort == Effort::Ordinary
            && let Some((cursor, first)) = request.repeated(store).await?
        {
            return Ok(Some((cursor, Answer::First(first))));
        }
        let plan = match plan().await {
            Ok(Planned::Write(plan)) => plan,
            Ok(Planned::Anew) => continue,
            Ok(Planned::Nothing) => return Ok(None),
            // A concurrent call of this same request may have written what stands in the plan's way.
            Err(refused) => {
                let first = request.repeated(store).await?.ok_or(refused)?;
                return Ok(Some((first.0, Answer::First(first.1))));
            }
        };
        let mut private = plan.writes.private;
        let audited = plan.audited.iter().map(|it| request.audit(it));
        private.extend(audited.map(PrivateWrite::Audit));
        let commit = Commit {
            request: request.id,
            response: request.response(plan.token, plan.serial),
            class: plan.class,
            changes: plan.writes.changes,
            private,
            expect: plan.writes.expect,
        };
        match store.commit(commit).await {
            Ok(committed) => {
                let answer = match committed.repeated {
                    Some(first) => Answer::First(request.check_repeat(&first)?),
                    None => Answer::New(plan.answer),
                };
                return Ok(Some((committed.cursor, answer)));
            }
            Err(CommitError::Conflict(_)) => {
                if effort == Effort::Ordinary {
                    catch_up(store, replica).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::Contended)
}
