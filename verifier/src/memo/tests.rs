use std::thread;

use super::*;
use crate::genuine;

fn memo(capacity: usize) -> Memo {
    Memo::new(MemoHasher::with_key(&[3; 16]), capacity).unwrap()
}

fn named(memo: &Memo, number: u64) -> Arc<Genuine> {
    Arc::new(genuine::of(memo.key(&format!("tw_{number}")), number))
}

/// How many tokens of these numbers the memo holds; it also checks that the facts are theirs.
fn known(memo: &Memo, numbers: impl IntoIterator<Item = u64>) -> usize {
    let found = numbers.into_iter().filter(|number| {
        let found = memo.get(memo.key(&format!("tw_{number}")));
        found.is_some_and(|genuine| {
            assert_eq!(genuine.serial.0, *number);
            true
        })
    });
    found.count()
}

#[test]
fn what_it_is_for_has_room_and_more_is_bounded() {
    let memo = memo(10_000);
    for number in 0..10_000 {
        memo.insert(named(&memo, number));
    }
    let kept = known(&memo, 0..10_000);
    assert!(kept > 9_000, "{kept}");
    assert_eq!(memo.len(), kept);
    for number in 10_000..100_000 {
        memo.insert(named(&memo, number));
    }
    let kept = known(&memo, 0..100_000);
    assert_eq!(memo.len(), kept);
    assert!((9_000..=10_000).contains(&kept), "{kept}");
}

#[test]
fn one_token_has_one_place() {
    let memo = memo(100);
    for _ in 0..10 {
        memo.insert(named(&memo, 7));
    }
    assert_eq!((memo.len(), known(&memo, 0..100)), (1, 1));
}

/// Many tokens that are used once, as by a client that lists a whole hub's tokens, displace only each
/// other.
#[test]
fn those_that_are_found_again_stay() {
    let memo = memo(1_000);
    for number in 0..500 {
        memo.insert(named(&memo, number));
    }
    let asked_again = |numbers: std::ops::Range<u64>| {
        let lost = numbers.filter(|number| known(&memo, [*number]) == 0);
        lost.inspect(|number| memo.insert(named(&memo, *number)))
            .count()
    };
    assert!(asked_again(0..500) < 10);
    let (mut last, mut lost) = (500, 0);
    for _ in 0..100 {
        for number in last..last + 200 {
            memo.insert(named(&memo, number));
        }
        last += 200;
        lost += asked_again(0..500);
    }
    // These were lost out of 50,000 lookups.
    assert!(lost < 500, "{lost}");
    // Tokens that were used before don't stay for ever once others are used again.
    for _ in 0..50 {
        asked_again(1_000_000..1_000_900);
    }
    let new = known(&memo, 1_000_000..1_000_900);
    assert!(new > 800, "{new}");
}

/// Many threads displace each other's entries, with keys of the same low bits. Whatever is found is
/// what was looked up.
#[test]
fn nobody_finds_the_facts_of_another() {
    let memo = memo(4);
    let of = |number: u64| Arc::new(genuine::of(MemoKey(u128::from(number) << 96), number));
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (memo, of) = (&memo, &of);
            scope.spawn(move || {
                let mut found = 0;
                let mut chance: u64 = thread;
                for _ in 0..20_000 {
                    chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    let number = (chance >> 33) % 23;
                    match memo.get(of(number).key) {
                        Some(genuine) => {
                            assert_eq!(genuine.serial.0, number);
                            found += 1;
                        }
                        None => memo.insert(of(number)),
                    }
                }
                assert!(found > 0);
            });
        }
    });
    assert!(memo.len() <= 4, "{}", memo.len());
}
