//! A long-tailed distribution: the n-th holder has about 1/n of the first one's things (Zipf's law), and
//! the total is given.

#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// Where each holder's share begins, and at the end where the last share ends.
    starts: Vec<u64>,
}

/// Flattens the head: the first few holders are more alike than in Zipf's law.
const HEAD: f64 = 20.0;

impl Tail {
    /// Divides `total` things among `count` holders. Each has at least one and at most `most`.
    pub(super) fn new(count: u64, total: u64, most: u64) -> Self {
        let weight = |rank: u64| 1.0 / (rank as f64 + HEAD);
        let sum: f64 = (0..count).map(weight).sum();
        let mut starts = Vec::with_capacity(count as usize + 1);
        // Rounding and the limits make a share too large or too small; later shares compensate for it.
        let (mut at, mut left, mut weights) = (0_u64, total as f64, sum);
        for rank in 0..count {
            starts.push(at);
            let share = left * weight(rank) / weights.max(f64::MIN_POSITIVE);
            let size = (share.round() as u64).clamp(1, most.max(1));
            at += size;
            left -= size as f64;
            weights -= weight(rank);
        }
        starts.push(at);
        Self { starts }
    }

    pub(super) fn total(&self) -> u64 {
        self.starts.last().copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn size(&self, rank: u64) -> u64 {
        self.starts[rank as usize + 1] - self.starts[rank as usize]
    }

    /// Returns the holder of the n-th thing, and the thing's index among that holder's things.
    pub(super) fn holder(&self, thing: u64) -> (u64, u64) {
        let rank = self.starts.partition_point(|start| *start <= thing) - 1;
        let start = self.starts.get(rank).copied().unwrap_or_default();
        (rank as u64, thing - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_numbered_holder_by_holder() {
        let tail = Tail::new(5, 100, 40);
        let mut seen = Vec::new();
        for thing in 0..tail.total() {
            let (rank, own) = tail.holder(thing);
            seen.resize(seen.len().max(rank as usize + 1), 0);
            assert_eq!(own, seen[rank as usize]);
            seen[rank as usize] += 1;
        }
        assert_eq!(seen.len(), 5);
        assert!(seen.is_sorted_by(|one, next| one >= next), "{seen:?}");
        assert_eq!(seen.iter().sum::<u64>(), tail.total());
    }
}
