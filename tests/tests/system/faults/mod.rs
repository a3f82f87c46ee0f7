//! Faults under load. While callers mint, revoke and check, something is killed, stopped or changed; the
//! callers' history is judged at the end. `docs/faults.md` says what each fault does to Checks.
//!
//! | module | faults of |
//! |---|---|
//! | `programs` | an issuer, a verifier, a Redis that is alone |
//! | `nodes` | three data nodes behind three sentinels |
//! | `stores` | the store itself: rolled back, restored, without room, moved |
//! | `secrets` | passwords and certificates, which are changed |

#[allow(
    dead_code,
    clippy::zombie_processes,
    reason = "the conformance suite, whose file this is, uses all of it"
)]
#[path = "../../../../common/tests/conformance/redis/group.rs"]
mod group;
mod nodes;
mod programs;
mod secrets;
#[path = "../../../../common/tests/conformance/redis/slots.rs"]
mod slots;
mod stores;

use std::time::Duration;

use tokenward_tests::{history::History, house::House, workload::Workload};

use crate::site::Site;

const BOUND: Duration = Duration::from_secs(2);
const ARGS: [&str; 8] = [
    "--bound-read",
    "2s",
    "--bound-write",
    "2s",
    "--bound-infer",
    "2s",
    "--confirm-interval",
    "100ms",
];

/// Two issuers and three verifiers (two on Redis, one that follows the second issuer), and who calls them.
struct Stage {
    site: Site,
    load: Workload,
}

impl Stage {
    async fn on(house: House) -> Self {
        let site = Site::on_redis(house, &ARGS).await;
        let load = Workload::begin(&site.issuers, &site.verifiers, BOUND).await;
        Self { site, load }
    }

    /// Starts a verifier anew. It knows only what the store has, while those that run may remember what it lost.
    async fn begin_anew(&mut self) {
        let late = &mut self.site.verifiers[0];
        late.program.kill();
        late.restart().await;
        self.load.goes_on().await;
    }

    /// Ends the load and judges what was seen.
    async fn end(self) {
        // What happened after the last fault is seen past the bound too.
        self.load.outlasts_the_bound().await;
        Self::judge(&self.load.end().await);
    }

    fn judge(history: &History) {
        let judged = history.judge(BOUND);
        assert!(judged.faults.is_empty(), "{judged}");
        let counts = judged.counts;
        // A history in which little happened proves little.
        let is_enough = counts.mints > 20
            && counts.takeaways > 20
            && counts.past_the_bound > 100
            && counts.allowed > 100
            && counts.last >= 3 * counts.mints;
        assert!(is_enough, "{judged}");
    }
}
