//! Many questions, one view. Signatures are checked first, each token once, with pauses: nothing
//! waits for a view longer than its judging takes, and other connections go on meanwhile.

use std::collections::HashMap;

use tokenward_proto::v1 as pb;
use tonic::Status;

use super::{VerifierGrpc, answer, question::questions};
use crate::{
    decide::{Caller, Facts, Question},
    metrics::Refusal,
};

/// Tokens verified before others get their turn: about half a millisecond.
const TOKENS_AT_ONCE: usize = 16;

pub(super) async fn batch(
    service: &VerifierGrpc,
    request: &pb::BatchCheckRequest,
) -> Result<pb::BatchCheckResponse, Status> {
    let questions =
        questions(request).inspect_err(|_| service.counts.refuse(Refusal::InvalidRequest))?;
    let asked = with_facts(service, &questions).await;
    // After the signatures: expiry is by the time of the judging.
    let now = service.decider.replica.clock().boot();
    let decisions = service
        .decider
        .decide_all(&asked, now)
        .map_err(|undecided| service.undecided(undecided))?;
    for decision in &decisions {
        service.decided(decision);
    }
    let own = questions.iter().map(|(_, own)| *own);
    Ok(answer::batch(
        decisions.into_iter().zip(own),
        service.expiry_warning,
    ))
}

/// The batch's own token is looked up once, the others by their text.
async fn with_facts<'a>(
    service: &VerifierGrpc,
    questions: &[(Question<'a>, bool)],
) -> Vec<(Question<'a>, Facts)> {
    let find = |caller| service.decider.facts(caller, &service.counts);
    let mut shared = None;
    let mut known: HashMap<&str, Facts> = HashMap::new();
    let mut asked = Vec::with_capacity(questions.len());
    for (question, own) in questions {
        let facts = match question.caller {
            Caller::Anonymous => Facts::Anonymous,
            caller if !own => shared.get_or_insert_with(|| find(caller)).clone(),
            Caller::Token(token) => match known.get(token) {
                Some(facts) => facts.clone(),
                None => {
                    let facts = find(question.caller);
                    known.insert(token, facts.clone());
                    if known.len().is_multiple_of(TOKENS_AT_ONCE) {
                        tokio::task::yield_now().await;
                    }
                    facts
                }
            },
        };
        asked.push((*question, facts));
    }
    asked
}
