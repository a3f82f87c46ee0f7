//! Answers many questions by one view. Signatures are checked before the view is held, each token once and
//! in its turn. So nothing waits for a view longer than the judging takes, and other connections go on.

use std::collections::HashMap;

use tokenward_common::token::TokenError;
use tokenward_proto::v1 as pb;
use tonic::{Extensions, Status};

use super::{
    VerifierGrpc, answer,
    question::{misplaced, questions},
};
use crate::{
    decide::{Caller, Facts, Question},
    metrics::Unanswered,
    strangers::Asker,
};

pub(super) async fn batch(
    service: &VerifierGrpc,
    request: &pb::BatchCheckRequest,
    call: &Extensions,
) -> Result<pb::BatchCheckResponse, Status> {
    let questions =
        questions(request).inspect_err(|_| service.counts.refuse(Unanswered::InvalidRequest))?;
    let known = known(service, &questions, call).await;
    let asked: Vec<_> = questions
        .iter()
        .map(|(question, own)| (*question, known.find(question.caller, *own)))
        .collect();
    // Expiry is judged by the time after the signature checks.
    let now = service.decider.replica.clock().boot();
    let decisions = service
        .decider
        .decide_all(&asked, now)
        .map_err(|undecided| service.undecided(undecided))?;
    let mistakes: Vec<_> = questions.iter().map(|(it, _)| misplaced(it)).collect();
    let mut answered = false;
    for (decision, mistake) in decisions.iter().zip(&mistakes) {
        answered |= decision.is_ok() || mistake.is_some();
        match (decision, mistake) {
            (_, Some(_)) => service.counts.refuse(Unanswered::InvalidRequest),
            (Ok(decision), None) => service.decided(decision),
            (Err(undecided), None) => service.counts.refuse(Unanswered::from(undecided)),
        }
    }
    // If nothing was judged, the whole call fails as Check does, so that the client's retry policy
    // applies.
    let first = decisions.first().and_then(|first| first.as_ref().err());
    if let Some(undecided) = first.filter(|_| !answered) {
        return Err(undecided.clone().into());
    }
    let own = questions.iter().map(|(_, own)| *own);
    let mut response = answer::batch(decisions.into_iter().zip(own), service.expiry_warning);
    for (answer, mistake) in response.answers.iter_mut().zip(mistakes) {
        // The mistake replaces the decision, which would reveal whether the thing exists.
        if let Some(mistake) = mistake {
            *answer = answer::mistaken(&mistake, answer.principal.take());
        }
    }
    Ok(response)
}

/// A fallback that no token gets, because every token was looked up.
const UNKNOWN: &Facts = &Facts::Refused(TokenError::Malformed);

/// What is known of a batch's callers.
struct Known<'a> {
    /// The facts of the batch's own caller.
    shared: Facts,
    own: HashMap<&'a str, Facts>,
}

impl Known<'_> {
    fn find(&self, caller: Caller<'_>, own: bool) -> &Facts {
        match caller {
            Caller::Token(token) if own => self.own.get(token).unwrap_or(UNKNOWN),
            Caller::Anonymous if own => &Facts::Anonymous,
            _ => &self.shared,
        }
    }
}

/// Looks each token up once, by its text: the batch's own and those that questions brought.
async fn known<'a>(
    service: &VerifierGrpc,
    questions: &[(Question<'a>, bool)],
    call: &Extensions,
) -> Known<'a> {
    let asker = Asker::of_call(&service.counts, call);
    let find = async |caller| match service.decider.turn(caller, asker).await {
        Ok(_turn) => service.decider.facts(caller, asker),
        Err(_) => Facts::Unverified,
    };
    let shared = match questions.iter().find(|(_, own)| !own) {
        Some((question, _)) => find(question.caller).await,
        None => Facts::Anonymous,
    };
    let mut known = Known {
        shared,
        own: HashMap::new(),
    };
    for (question, _) in questions.iter().filter(|(_, own)| *own) {
        let Caller::Token(token) = question.caller else {
            continue;
        };
        if known.own.contains_key(token) {
            continue;
        }
        known.own.insert(token, find(question.caller).await);
    }
    known
}
