//! Checks the rules for requests whose body the door is not shown. Such a body may have any content, so its
//! rule must need at least what each rule needs that reads the body. It is pure, runs when a table is read,
//! and must not know any request.

use super::rule::{Needs, Rule};

/// Returns what is wrong with a rule that follows the rules of its own text (`beside`) and all earlier
/// rules (`before`).
pub(super) fn mistake(rule: &Rule, beside: &[Rule], before: &[Rule]) -> Option<String> {
    let same = |other: &&Rule| other.pattern == rule.pattern && other.methods.meet(rule.methods);
    if rule.is_unseen() {
        if rule.needs_body() {
            return Some("needs: with body.absent there is no body that could name a thing".into());
        }
        let mut beside = beside.iter().filter(same);
        return beside.any(Rule::reads_body).then(|| {
            "when: body.absent must stand above the rules of its path that read the body".into()
        });
    }
    if !rule.reads_body() {
        return None;
    }
    let mut unseen = before.iter().filter(same).filter(|rule| rule.is_unseen());
    let lacking = unseen.find_map(|unseen| lacking(&unseen.needs, &rule.needs))?;
    Some(format!(
        "needs: without a body this could be asked for too, so the rule above for body.absent must \
         take {lacking}"
    ))
}

/// Returns what `other` needs and `unseen` doesn't.
fn lacking(unseen: &Needs, other: &Needs) -> Option<String> {
    match (unseen, other) {
        (Needs::All(has), Needs::All(wanted)) => {
            let missing = wanted.iter().find(|one| !has.contains(one));
            missing.map(|(source, permission)| format!("{}:{}", source.name(), permission.name()))
        }
        (_, Needs::All(_)) => Some("permissions".into()),
        (Needs::Open, Needs::Visitor) => Some("visitor".into()),
        (Needs::Open | Needs::Visitor, Needs::Identity) => Some("identity".into()),
        _ => None,
    }
}
