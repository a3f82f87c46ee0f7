//! This file decides when an issuer visits its store: it vouches for the stream, renews its lease, and hears
//! who else has vouched. It must not know what a visit changes in the issuer's memory.

use std::time::Duration;

use crate::store::{
    FeedError, Reason,
    redis::{
        link::Lease,
        member::{Refusal, Word, tended},
        trouble::Trouble,
        writer::Writer,
    },
};

/// An issuer comes by at this interval, and more often while somebody has not vouched yet.
const VISIT: Duration = Duration::from_millis(500);
pub(super) const HURRY: Duration = Duration::from_millis(50);
/// An issuer that ends leaves the roster within this time or not at all.
const LEAVE: Duration = Duration::from_millis(500);
/// So many visits make an issuer ready that remembers nothing: one for its memory, one for the roster.
const VISITS: usize = 2;

impl Writer {
    /// Visits until this issuer may write: the first visit may give it back its memory, the next one
    /// makes it join.
    pub(super) async fn visit_until_ready(&self, lease: &mut Lease) -> Result<(), Trouble> {
        for _ in 0..VISITS {
            self.visit(lease, Word::Usual).await?;
            if self.member.may_write(lease.stream()) {
                return Ok(());
            }
        }
        Err(Trouble::Unvouched(Reason::Unvouched.words()))
    }

    /// Visits the store: this issuer vouches for the stream, renews its lease, and hears who else has.
    pub(super) async fn visit(&self, lease: &mut Lease, word: Word) -> Result<(), Trouble> {
        let stream = lease.stream().to_owned();
        let visit = self.member.visit(&self.keys, &stream, word);
        let mut written = self.link.send_write(lease, &visit).await?;
        let odd = |error: FeedError| Trouble::Refused(error.to_string());
        match tended(self.log(), std::mem::take(&mut written.answer)).map_err(odd)? {
            Ok(found) => {
                self.member.visited(&stream, word, found, &written);
                Ok(())
            }
            Err(refusal) => Err(self.refused(lease, refusal)),
        }
    }

    /// Comes by at an interval. Whatever goes wrong is found by the next commit or confirm too.
    pub(super) async fn keep_visiting(&self) {
        loop {
            let visited = async {
                let mut lease = self.link.lease().await?;
                self.visit(&mut lease, Word::Usual).await
            };
            if let Err(trouble) = visited.await {
                tracing::debug!("a visit to the store failed: {trouble}");
            }
            let pause = if self.member.is_waiting() {
                HURRY
            } else {
                VISIT
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes the store as it is, by an operator's word. Returns whether the stream is established now.
    pub(super) async fn take_as_it_is(&self) -> Result<bool, FeedError> {
        let mut lease = self.link.lease().await?;
        for _ in 0..VISITS {
            self.visit(&mut lease, Word::AsItIs).await?;
        }
        Ok(self.member.may_write(lease.stream()))
    }

    /// Strikes this issuer off the roster, as it ends, unless it is the last one.
    pub(super) async fn leave(&self) {
        let left = async {
            let mut lease = self.link.lease().await?;
            self.visit(&mut lease, Word::Leave).await
        };
        if let Ok(Err(trouble)) = tokio::time::timeout(LEAVE, left).await {
            tracing::warn!("this issuer stays on the roster until its lease ends: {trouble}");
        }
    }

    pub(super) fn refused(&self, lease: &Lease, refusal: Refusal) -> Trouble {
        match refusal {
            Refusal::Unfit(reason) => {
                self.member.doubt();
                return Trouble::Unfit(reason);
            }
            // Whether that log is a history of this one, the next visit finds out.
            Refusal::OtherLog => self.member.doubt(),
            Refusal::Reopened(adopted) => {
                self.member.heard_of(adopted);
                return Trouble::Unfit(Reason::Reopened);
            }
            // The stream is asked for when a connection is made.
            Refusal::Moved => self.link.discard(lease.generation),
            Refusal::Forget => {
                tracing::error!(
                    "this issuer was silent for longer than its lease, and the others went on without \
                     what it had acknowledged: revocations of its last moments may be lost"
                );
                self.member.forget();
            }
            Refusal::Unlisted | Refusal::Unvouched => self.member.doubt(),
        }
        Trouble::Unvouched(Reason::Unvouched.words())
    }
}
