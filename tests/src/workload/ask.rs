//! The Checks: of what changed just now, and of everything again and again, at each verifier by itself, so
//! that one that hangs leaves the others alone.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokenward_common::status::reason_of;
use tokenward_proto::v1::{
    CheckRequest, CheckResponse, Verdict, verifier_service_client::VerifierServiceClient,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};
use tonic::{Code, Request, Status, transport::Channel};

use super::record::Record;
use crate::{
    history::{Answer, Check, Outcome, What},
    house::{LIMIT, Verifier},
};

/// The deadline of a Check: longer than the programs are ever stopped for.
const DEADLINE: Duration = Duration::from_secs(10);
/// The time between two Checks of one asker.
const PAUSE: Duration = Duration::from_millis(20);
/// How many askers of a verifier go through everything.
const ROUNDS: usize = 4;
/// Every other Check is of one of this many newest tokens.
const NEWEST: usize = 40;

/// A question about one token, and what it needs besides the token.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its serial, and its name in the history: a serial that was used twice must not hide other faults.
    pub(super) serial: String,
    pub(super) token: String,
    pub(super) question: CheckRequest,
    pub(super) facts: Vec<String>,
}

/// All questions, and those of each verifier that are to be asked at once.
pub(super) struct Pool {
    all: Mutex<Vec<Arc<Asked>>>,
    next: Vec<UnboundedSender<Arc<Asked>>>,
}

impl Pool {
    /// Returns a pool for so many verifiers, with what each is to ask at once.
    pub(super) fn new(verifiers: usize) -> (Self, Vec<UnboundedReceiver<Arc<Asked>>>) {
        let (next, receivers) = (0..verifiers).map(|_| unbounded_channel()).unzip();
        let all = Mutex::default();
        (Self { all, next }, receivers)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Asked>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<Arc<Asked>> {
        self.lock().clone()
    }

    /// Adds a question, and has every verifier asked at once.
    pub(super) fn add(&self, asked: Asked) -> Arc<Asked> {
        let asked = Arc::new(asked);
        self.lock().push(Arc::clone(&asked));
        self.again(&asked);
        asked
    }

    /// Has every verifier asked at once.
    pub(super) fn again(&self, asked: &Arc<Asked>) {
        for next in &self.next {
            // Nobody listens any more once the askers have ended.
            let _ = next.send(Arc::clone(asked));
        }
    }

    fn pick(&self, number: usize) -> Option<Arc<Asked>> {
        let all = self.lock();
        let newest = all.len().saturating_sub(NEWEST);
        let place = match number % 2 {
            0 => number / 2 % all.len().max(1),
            _ => newest + number / 2 % NEWEST,
        };
        all.get(place).or(all.last()).cloned()
    }
}

/// A caller of one verifier.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) name: String,
    record: Arc<Record>,
    client: VerifierServiceClient<Channel>,
}

fn answer(told: Result<CheckResponse, Status>) -> Answer {
    match told {
        Ok(told) if told.verdict() == Verdict::Allow => Answer::Allow,
        Ok(told) => Answer::Deny(told.reason().as_str_name().replace("REASON_", "")),
        Err(status) => match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Answer::Unavailable,
            // The verifier's own errors have a reason. Without one the connection broke.
            _ if reason_of(&status).is_empty() => Answer::Unavailable,
            code => Answer::Error(format!("{code:?} {}", status.message())),
        },
    }
}

impl Asker {
    pub(super) fn new(record: &Arc<Record>, verifier: &Verifier, number: usize) -> Self {
        Self {
            name: format!("verifier {number}"),
            record: Arc::clone(record),
            client: VerifierServiceClient::new(verifier.channel()),
        }
    }

    async fn ask(&self, asked: &Asked, min_revision: Option<&str>) -> (Duration, Answer) {
        let mut question = asked.question.clone();
        question.min_revision = min_revision.unwrap_or_default().to_owned();
        let mut request = Request::new(question);
        request.set_timeout(DEADLINE);
        let begin = self.record.now();
        let told = self.client.clone().check(request).await;
        (begin, answer(told.map(tonic::Response::into_inner)))
    }

    fn saw(&self, asked: &Asked, begin: Duration, answer: Answer, at_end: bool) {
        let check = Check {
            verifier: self.name.clone(),
            token: asked.token.clone(),
            facts: asked.facts.clone(),
            at_end,
            answer,
        };
        self.record
            .ended(begin, What::Check(check), Outcome::Done, None);
    }

    /// Asks what has just changed, until nobody has anything to ask any more.
    pub(super) async fn ask_what_changed(self, mut next: UnboundedReceiver<Arc<Asked>>) {
        while let Some(asked) = next.recv().await {
            let (begin, answer) = self.ask(&asked, None).await;
            self.saw(&asked, begin, answer, false);
        }
    }

    async fn ask_again_and_again(self, pool: Arc<Pool>, stop: Arc<AtomicBool>, first: usize) {
        let mut number = first;
        while !stop.load(SeqCst) {
            if let Some(asked) = pool.pick(number) {
                let (begin, answer) = self.ask(&asked, None).await;
                self.saw(&asked, begin, answer, false);
            }
            number += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the tasks that ask everything again and again, until they are stopped.
    pub(super) fn rounds(
        &self,
        pool: &Arc<Pool>,
        stop: &Arc<AtomicBool>,
    ) -> impl Iterator<Item = impl Future<Output = ()> + use<>> {
        let (asker, pool, stop) = (self.clone(), Arc::clone(pool), Arc::clone(stop));
        (0..ROUNDS).map(move |number| {
            asker
                .clone()
                .ask_again_and_again(Arc::clone(&pool), Arc::clone(&stop), number * 17)
        })
    }

    /// Asks a last time, by a view that has this revision.
    pub(super) async fn ask_at_the_end(&self, asked: &Asked, revision: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let (begin, answer) = self.ask(asked, Some(revision)).await;
            if answer != Answer::Unavailable || Instant::now() > until {
                self.saw(asked, begin, answer, true);
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
