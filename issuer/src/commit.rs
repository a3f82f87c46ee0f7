//! One mutation, from what is asked to what is durable: the one way by which an issuer writes.
//!
//! A request that was answered before gets its first answer. Any other is planned by what is read now,
//! and committed with what the plan expects to be still so. If somebody else's write came between, the
//! plan is made anew. What is planned is not known here.

use tokenward_common::{
    id::{Cursor, Serial, TokenId},
    replica::Replica,
    state::record::Change,
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

/// One mutation as it is to be written.
pub(crate) struct Plan<T = ()> {
    pub(crate) class: CommitClass,
    writes: Writes,
    /// Its records in the audit trail.
    audited: Vec<Audited>,
    /// What the caller is told once it is durable.
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

    /// The token that it is about, and the value that it makes, if any: what a repeat is answered by.
    pub(crate) fn about(mut self, token: TokenId, serial: Option<Serial>) -> Self {
        (self.token, self.serial) = (Some(token), serial);
        self
    }
}

/// What became of a mutation that is durable.
pub(crate) enum Answer<T> {
    /// It was written by this call.
    New(T),
    /// It was written by an earlier call of the same request, or by one at the same time.
    First(StoredRequest),
}

/// What is done when somebody else's write came between a plan and its commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    /// The own view catches up with the store before the next try.
    Ordinary,
    /// No try waits for the own view: a revocation needs none, and must go through while the view
    /// is stuck. It has so many tries that no conflict makes it fail: each one means that another
    /// change of this very token was written, which takes longer than a try.
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

/// Plans and commits until the mutation is durable or refused. A plan is `None` if what it read was
/// overtaken while it read: then it is made anew at once.
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
    for _ in 0..effort.tries() {
        if let Some((cursor, first)) = request.repeated(store).await? {
            return Ok((cursor, Answer::First(first)));
        }
        let plan = match plan().await {
            Ok(Some(plan)) => plan,
            Ok(None) => continue,
            // What stands in its way was perhaps written by this very request, asked twice at once.
            Err(refused) => {
                let first = request.repeated(store).await?.ok_or(refused)?;
                return Ok((first.0, Answer::First(first.1)));
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
                    Some(first) => Answer::First(request.repeat_of(&first)?),
                    None => Answer::New(plan.answer),
                };
                return Ok((committed.cursor, answer));
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
