//! Measures whether response time distinguishes a private repo's name from a name that doesn't exist. The
//! verifier answers both as not found, in the same words.

use anyhow::{Result, ensure};

use super::{
    Row, cost_of,
    decide::{Asked, Inside},
    feed::Pace,
    hub::Hub,
    round,
};

const TOKENS: u64 = 16;

/// Measures names that fit in the cache, and names that come from memory. Both kinds alternate, with the
/// same tokens.
pub fn hidden() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (what, records, names) in [
        ("16 names", 100_000, 16),
        ("10,000 names of a hub of 1 M records", 1_000_000, 10_000),
    ] {
        for (kind, first) in [("role read", 1), ("one scope", 2)] {
            let inside = Inside::start(Hub::of(records), Pace::default(), 1 << 16)?;
            let told = difference(&inside, first, names)?;
            rows.push(Row::new(
                format!("not found, {kind}, {what}: a private repo's name, one of nothing"),
                "",
                told,
            ));
        }
    }
    Ok(rows)
}

fn difference(inside: &Inside, first: u64, names: usize) -> Result<String> {
    const COUNT: usize = 16;
    const ROUNDS: usize = 20_000;
    let tokens = (0..TOKENS)
        .map(|number| inside.asked(first + 2 * number))
        .collect::<Result<Vec<_>>>()?;
    let Hub { orgs, repos, .. } = inside.hub;
    // A third of the repos are private. These belong to other orgs than the tokens' owners are members of.
    let foreign = (0..repos).filter(|repo| repo % 3 == 0 && repo % orgs > first + 2 * TOKENS);
    let (mut private, mut missing) = (Vec::new(), Vec::new());
    for (at, repo) in foreign.take(names).enumerate() {
        let token = tokens.get(at % tokens.len()).map(|it| it.token.clone());
        let asked = |name: String| Asked {
            token: token.clone().unwrap_or_default(),
            owner: format!("org-{}", repo % orgs),
            name,
        };
        private.push(asked(format!("model-{repo}")));
        missing.push(asked(format!("modal-{repo}")));
    }
    let none = |asked: &[Asked]| asked.iter().all(|asked| !inside.decide(asked));
    ensure!(
        private.len() == names && none(&private) && none(&missing),
        "not as meant"
    );
    let one = |asked: &[Asked], turn: usize| {
        round(COUNT, |index| {
            let at = (turn * COUNT + index) % names;
            asked.get(at).map(|asked| inside.decide(asked))
        })
    };
    let (mut of_private, mut of_missing) = (Vec::new(), Vec::new());
    for turn in 0..ROUNDS {
        // The second one of a turn finds more in the cache, because both request the same owners. So the
        // order alternates.
        if turn % 2 == 0 {
            of_private.push(one(&private, turn));
            of_missing.push(one(&missing, turn));
        } else {
            of_missing.push(one(&missing, turn));
            of_private.push(one(&private, turn));
        }
    }
    Ok(format!("{} · {}", cost_of(of_private), cost_of(of_missing)))
}
