//! This file decides how the process's open files are divided among its listeners. It must not
//! know what the listeners serve.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections of one listener, however many files there are. It bounds what a listener may
/// cost.
pub const MOST: usize = 4096;

/// The most connections of a listener for operators: probes, scrapes and people.
const ADMIN_MOST: usize = 256;

/// More files than all listeners together can use. A process without a limit counts as having this
/// many.
const ENOUGH: u64 = 1 << 20;

/// The files that are kept for the store, logs, key files, collectors, and connections that are
/// closing.
const RESERVE: usize = 256;

/// The number of files that this process may open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Files(usize);

impl Files {
    /// A limit that no listener can reach.
    pub const MANY: Self = Self(ENOUGH as usize);

    /// Raises the soft limit to the hard one and returns it. The 1,024 that shells set are for programs
    /// that call `select`.
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

    /// Returns the files without what the rest of the process needs: a quarter where there are few.
    fn for_listeners(self) -> usize {
        self.0 - RESERVE.min(self.0 / 4)
    }

    /// Returns the connections of the listener for `/readyz` and metrics: an eighth.
    pub fn admin(self) -> usize {
        (self.for_listeners() / 8).clamp(1, ADMIN_MOST)
    }

    /// Returns the connections of a listener that has `part` of `parts` of what the admin listener
    /// leaves. A listener that opens another file for each connection must request half as much.
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
            // The issuer divides its files so: two thirds for gRPC and one third for HTTP.
            let taken = files.admin() + files.share(2, 3) + files.share(1, 3);
            assert!(taken + reserve <= files.0, "{taken} of {files:?}");
            assert!(files.share(1, 3) >= 1 && files.admin() >= 1);
        }
        let many = Files::new(1 << 20);
        assert_eq!((many.share(1, 3), many.admin()), (MOST, ADMIN_MOST));
    }
}
