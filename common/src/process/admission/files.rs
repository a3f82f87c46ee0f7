//! The open files of this process, shared out among its listeners.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections of one listener, however many files there are: what one may cost is bounded by this.
pub const MOST: usize = 4096;

/// Of a listener for operators: probes, scrapes and people.
const ADMIN_MOST: usize = 256;

/// More than all listeners together can use; a process with no limit at all has this.
const ENOUGH: u64 = 1 << 20;

/// For the store, logs, key files, collectors, and connections that are just closing.
const RESERVE: usize = 256;

/// How many files this process may open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Files(usize);

impl Files {
    /// As good as no limit.
    pub const MANY: Self = Self(ENOUGH as usize);

    /// The soft limit is raised to the hard one first: 1,024, as shells have it, is for programs that
    /// call `select`.
    pub fn of_this_process() -> Self {
        let limits = getrlimit(Resource::Nofile);
        let hard = limits.maximum.unwrap_or(ENOUGH).min(ENOUGH);
        let soft = limits.current.unwrap_or(ENOUGH);
        let raised = Rlimit {
            current: Some(hard),
            maximum: limits.maximum,
        };
        let now = match soft < hard && setrlimit(Resource::Nofile, raised).is_ok() {
            true => hard,
            false => soft,
        };
        Self::new(usize::try_from(now).unwrap_or(usize::MAX))
    }

    pub fn new(files: usize) -> Self {
        Self(files)
    }

    /// Without what the rest of the process needs: a quarter where there are few.
    fn for_listeners(self) -> usize {
        self.0 - RESERVE.min(self.0 / 4)
    }

    /// Connections of the listener for `/readyz` and metrics: an eighth.
    pub fn admin(self) -> usize {
        (self.for_listeners() / 8).clamp(1, ADMIN_MOST)
    }

    /// Connections of a listener that has `part` of `parts` of what the admin listener leaves. One
    /// that opens another file for each has to ask for half as much.
    pub fn share(self, part: usize, parts: usize) -> usize {
        let left = self.for_listeners().saturating_sub(self.admin());
        (left.saturating_mul(part) / parts.max(1)).clamp(1, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_leave_a_reserve() {
        for (files, reserve) in [(16, 4), (160, 40), (1024, 256), (65_536, 256)] {
            let files = Files::new(files);
            // As the issuer has it: gRPC two thirds, HTTP one.
            let taken = files.admin() + files.share(2, 3) + files.share(1, 3);
            assert!(taken + reserve <= files.0, "{taken} of {files:?}");
            assert!(files.share(1, 3) >= 1 && files.admin() >= 1);
        }
        let many = Files::new(1 << 20);
        assert_eq!((many.share(1, 3), many.admin()), (MOST, ADMIN_MOST));
    }
}
