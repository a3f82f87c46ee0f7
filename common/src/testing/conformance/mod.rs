//! This folder is the conformance suite of every [`Store`] and [`Feed`]. Each case is a named test, the
//! same for every backend. What a case needs of a backend beyond these two traits is a [`Backend`].
//!
//! No case sleeps until an outcome: it waits for the outcome, and fails when that takes [`PATIENCE`].

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed assertion is this module's way to answer"
)]

pub mod durability;
pub mod expectations;
mod fixture;
pub mod floors;
mod fold;
pub mod followers;
pub mod handed;
pub mod limits;
pub mod log;
pub mod lost;
pub mod reads;
pub mod requests;
pub mod snapshots;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::store::{Feed, Store};

/// A case waits at most this long for an expected event.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A whole case may take at most this long on a busy machine.
const CASE: Duration = Duration::from_secs(60);

/// One realm of the store under test. After a step that changes what is stored, a case takes the store
/// and the feed anew. Earlier handles may still be used where the backend can do that.
#[async_trait]
pub trait Backend: Send + Sync + Sized + 'static {
    /// Makes an empty realm of its own.
    async fn fresh() -> Self;

    /// Returns the store under test, as an issuer holds it.
    fn store(&self) -> Arc<dyn Store>;

    /// Returns the feed under test. Where the backend can, it is a handle of its own, as another
    /// process has.
    fn feed(&self) -> Arc<dyn Feed>;

    /// Ends everything without warning, and starts it again from what was durable.
    async fn kill(&mut self);

    /// Ends everything in order, and starts it again.
    async fn restart(&mut self);

    /// Deletes everything that was stored, and puts a new realm in its place.
    async fn wipe(&mut self);

    /// Keeps a copy of what is stored now.
    async fn back_up(&mut self);

    /// Puts the copy in place of what is stored; where the backend can, this happens under running
    /// handles.
    async fn roll_back(&mut self);
}

/// Runs a case, but no longer than a fixed time.
pub async fn case(running: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(CASE, running).await;
    assert!(ended.is_ok(), "the case did not end within {CASE:?}");
}

/// Waits for an expected event.
pub async fn soon<T>(coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, coming).await {
        Ok(came) => came,
        Err(_) => panic!("nothing came within {PATIENCE:?}"),
    }
}

/// Makes a module of tests, one for each case: `conformance!(embedded, Embedded)` for a store and its
/// feed, `conformance!(feed grpc, Grpc)` for a feed alone.
#[macro_export]
macro_rules! conformance {
    ($module:ident, $backend:ty) => {
        $crate::conformance! { cases $module, $backend,
            log { order many_at_once exclusive_cursors empty_wait wakes_at_once batches_are_bounded
                takeaways_before_imports fingerprints_cover_all_before confirm_of_an_empty_log confirm_shows_what_was_acknowledged }
            lost { other_log other_fingerprint beyond_the_head trimmed trimmed_to_nothing
                wiped rolled_back rolled_back_and_gone_on }
            snapshots { counts_are_what_the_snapshot_holds scan_while_writing_equals_the_fold
                pieces_are_bounded nothing_private_travels revoked_bits_of_many_pages }
            expectations { nothing_of_a_conflict_is_written absent unchanged floor_below not_revoked
                the_first_that_fails_is_named one_of_many_racers_wins a_conflict_harms_no_neighbour }
            requests { a_repeat_changes_nothing a_repeat_outlives_its_expectations
                a_conflict_is_not_remembered the_same_request_twice_at_once }
            floors { raised_to_the_counter never_lowered put_is_folded_by_maximum }
            limits { too_many_changes too_many_bytes serials_weigh undeletable_stays
                private_stays_private }
            reads { missing_is_none get_keeps_the_order_of_keys private_records tokens_are_paged
                absent_deletes_are_no_error amendments_are_records ends_are_listed_in_order
                audit_is_read_in_order a_revoked_view_stays }
            followers { receipts_tell_who_applied_what a_goodbye_takes_the_bound_back an_older_head_is_never_told_unseen
                followers_survive_a_kill used_hours_are_kept }
            handed { it_waits_until_it_is_taken another_log_s_is_dropped
                a_log_that_the_store_forgot_is_known_by_its_ancestor none_waits_behind_others
                passed_serials_are_not_given_out }
            durability { commits_survive_a_kill a_repeat_survives_a_kill restart_keeps_cursors
                serials_never_repeat }
        }
    };
    (feed $module:ident, $backend:ty) => {
        $crate::conformance! { cases $module, $backend,
            log { order exclusive_cursors empty_wait wakes_at_once batches_are_bounded
                confirm_of_an_empty_log confirm_shows_what_was_acknowledged }
            lost { other_log other_fingerprint beyond_the_head trimmed trimmed_to_nothing
                wiped rolled_back rolled_back_and_gone_on }
            snapshots { counts_are_what_the_snapshot_holds scan_while_writing_equals_the_fold
                pieces_are_bounded nothing_private_travels revoked_bits_of_many_pages }
            handed { it_waits_until_it_is_taken another_log_s_is_dropped
                a_log_that_the_store_forgot_is_known_by_its_ancestor }
            durability { restart_keeps_cursors }
        }
    };
    (cases $module:ident, $backend:ty, $($about:ident { $($case:ident)+ })+) => {
        mod $module {
            use super::*;

            $(mod $about {
                use super::*;

                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    use $crate::testing::conformance as suite;
                    suite::case(suite::$about::$case::<$backend>()).await;
                })+
            })+
        }
    };
}
