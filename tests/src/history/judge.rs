//! The judge: which operations of a history contradict the promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{Answer, Check, Operation, Outcome, Takeaway, What};

/// The calls of one run, in any order.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
}

/// What was judged. A history in which little happened proves little, so a test also looks at these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub mints: usize,
    pub takeaways: usize,
    /// Changes whose outcome is not known, and those that were refused.
    pub unknown: usize,
    pub refused: usize,
    pub allowed: usize,
    pub denied: usize,
    pub unavailable: usize,
    /// Checks that had to be denied or unanswered, because they began past the bound.
    pub past_the_bound: usize,
    /// Checks at the end.
    pub last: usize,
}

#[derive(Clone, Debug)]
pub struct Judgement {
    /// One text for each fault; empty if the promise was kept.
    pub faults: Vec<String>,
    pub counts: Counts,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        write!(f, "{:?}", self.counts)
    }
}

/// The changes of a history, found by what they change.
struct Index<'a> {
    bound: Duration,
    mints: BTreeMap<&'a str, (&'a Operation, &'a str)>,
    tokens: BTreeMap<&'a str, Vec<&'a Operation>>,
    floors: BTreeMap<&'a str, Vec<&'a Operation>>,
    facts: BTreeMap<&'a str, Vec<&'a Operation>>,
    gives: BTreeMap<&'a str, Vec<&'a Operation>>,
}

/// What a Check had to be, and what it might be.
struct Due<'a> {
    /// The acknowledged takeaway for which it must not be allowed.
    taken: Option<&'a Operation>,
    may_be_denied: bool,
}

impl History {
    /// Judges a history whose verifiers have this bound.
    pub fn judge(&self, bound: Duration) -> Judgement {
        let mut faults = Vec::new();
        let index = Index::new(self, bound, &mut faults);
        let mut counts = Counts::default();
        let mut last: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for operation in &self.operations {
            counts.change(operation);
            if let Some(text) = &operation.refusal {
                faults.push(format!("{operation} was refused: {text}"));
            }
            if let What::Check(check) = &operation.what {
                let due = index.due(operation, check);
                counts.check(check, &due);
                faults.extend(index.fault(operation, check, &due));
                let asked = last.entry(&check.verifier).or_default();
                if check.at_end {
                    asked.insert(&check.token);
                }
            }
        }
        for (verifier, asked) in last {
            for (mint, _) in index.mints.values() {
                if let What::Mint { token, .. } = &mint.what
                    && !asked.contains(token.as_str())
                {
                    faults.push(format!(
                        "{mint} was acknowledged, and at the end nobody asked {verifier} for it"
                    ));
                }
            }
        }
        Judgement { faults, counts }
    }
}

impl Counts {
    fn change(&mut self, operation: &Operation) {
        let done = match &operation.what {
            What::Mint { .. } => &mut self.mints,
            What::Take(_) => &mut self.takeaways,
            What::Give(_) if operation.outcome == Outcome::Done => return,
            What::Give(_) => &mut self.unknown,
            What::Check(_) => return,
        };
        *match operation.outcome {
            Outcome::Done => done,
            Outcome::Refused => &mut self.refused,
            Outcome::Unknown => &mut self.unknown,
        } += 1;
    }

    fn check(&mut self, check: &Check, due: &Due<'_>) {
        *match check.answer {
            Answer::Allow => &mut self.allowed,
            Answer::Deny(_) => &mut self.denied,
            Answer::Unavailable | Answer::Error(_) => &mut self.unavailable,
        } += 1;
        self.last += usize::from(check.at_end);
        self.past_the_bound += usize::from(due.taken.is_some());
    }
}

impl<'a> Index<'a> {
    fn new(history: &'a History, bound: Duration, faults: &mut Vec<String>) -> Self {
        let mut index = Self {
            bound,
            mints: BTreeMap::new(),
            tokens: BTreeMap::new(),
            floors: BTreeMap::new(),
            facts: BTreeMap::new(),
            gives: BTreeMap::new(),
        };
        let mut serials = BTreeMap::new();
        for operation in &history.operations {
            if operation.outcome == Outcome::Refused {
                continue;
            }
            match &operation.what {
                What::Mint {
                    token,
                    serial,
                    owner,
                } if operation.outcome == Outcome::Done => {
                    index.mints.insert(token, (operation, owner));
                    if let Some(before) = serials.insert(serial, operation) {
                        faults.push(format!("{before} and {operation} got one serial, {serial}"));
                    }
                }
                What::Mint { .. } | What::Check(_) => {}
                What::Take(Takeaway::Token(token)) => add(&mut index.tokens, token, operation),
                What::Take(Takeaway::Floor(owner)) => add(&mut index.floors, owner, operation),
                What::Take(Takeaway::Fact(fact)) => add(&mut index.facts, fact, operation),
                What::Give(fact) => add(&mut index.gives, fact, operation),
            }
        }
        index
    }

    /// How long after a change was acknowledged a Check may still not know of it. The views of the last
    /// Checks were asked to have everything.
    fn leeway(&self, check: &Check) -> Duration {
        match check.at_end {
            true => Duration::ZERO,
            false => self.bound,
        }
    }

    fn due(&self, operation: &'a Operation, check: &'a Check) -> Due<'a> {
        let leeway = self.leeway(check);
        let is_known = |change: &Operation| {
            change.outcome == Outcome::Done && change.end + leeway < operation.begin
        };
        let may_be_known = |change: &&Operation| change.begin < operation.end;
        let mut due = Due {
            taken: None,
            may_be_denied: false,
        };
        // `takes` says that the takeaway surely took what the Check needs, `may_deny` that it may have.
        let mut weigh = |takeaway: &'a Operation, takes: bool, may_deny: bool| {
            if takes && is_known(takeaway) {
                due.taken.get_or_insert(takeaway);
            }
            due.may_be_denied |= may_deny;
        };
        for takeaway in of(&self.tokens, &check.token).filter(may_be_known) {
            weigh(takeaway, true, true);
        }
        if let Some((mint, owner)) = self.mints.get(check.token.as_str()) {
            for floor in of(&self.floors, owner).filter(may_be_known) {
                let spares = floor.outcome == Outcome::Done && floor.end < mint.begin;
                if !spares {
                    weigh(floor, mint.end < floor.begin, true);
                }
            }
        }
        for fact in &check.facts {
            let gives = || of(&self.gives, fact).filter(may_be_known);
            for takeaway in of(&self.facts, fact).filter(may_be_known) {
                let is_before =
                    |give: &Operation| give.outcome == Outcome::Done && give.end < takeaway.begin;
                let is_over = |give: &Operation| {
                    takeaway.outcome == Outcome::Done && takeaway.end < give.begin && is_known(give)
                };
                weigh(takeaway, gives().all(is_before), !gives().any(is_over));
            }
        }
        due
    }

    fn fault(&self, operation: &Operation, check: &Check, due: &Due<'_>) -> Option<String> {
        match (&check.answer, due.taken) {
            (Answer::Allow, Some(taken)) if check.at_end => Some(format!(
                "{operation} was allowed, though {taken} was acknowledged"
            )),
            (Answer::Allow, Some(taken)) => {
                let after = (operation.begin - taken.end).as_secs_f64();
                let bound = self.bound.as_secs_f64();
                Some(format!(
                    "{operation} was allowed, {after:.3} s after {taken} was acknowledged; \
                     the bound is {bound} s"
                ))
            }
            (Answer::Deny(reason), _) if !due.may_be_denied => {
                let mint = self.mints.get(check.token.as_str());
                let mint = mint.map_or_else(
                    || "nobody was told of its mint".to_owned(),
                    |(mint, _)| format!("nothing took what {mint} gave"),
                );
                Some(format!("{operation} was denied ({reason}), and {mint}"))
            }
            (Answer::Unavailable, _) if check.at_end => Some(format!("{operation} had no answer")),
            (Answer::Error(error), _) => Some(format!("{operation} got the error {error}")),
            _ => None,
        }
    }
}

type By<'a> = BTreeMap<&'a str, Vec<&'a Operation>>;

fn add<'a>(by: &mut By<'a>, name: &'a str, operation: &'a Operation) {
    by.entry(name).or_default().push(operation);
}

fn of<'a>(by: &By<'a>, name: &str) -> impl Iterator<Item = &'a Operation> {
    by.get(name).into_iter().flatten().copied()
}
