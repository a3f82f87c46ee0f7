//! Repeats of a command that takes all tokens of now: a repeat must not take those that were made since.

use crate::{
    exit::{Exit, Failure},
    secret::random,
};

#[derive(Debug, clap::Args)]
pub(crate) struct RepeatArgs {
    /// Name this request by this id, so that a repeat within a day takes no token that was made since.
    /// Without this option a random id is drawn; it is for --all.
    #[arg(long, value_name = "ID", requires = "all")]
    request_id: Option<String>,
}

impl RepeatArgs {
    pub(crate) fn id(self) -> Result<String, Failure> {
        match self.request_id {
            Some(id) => Ok(id),
            None => Ok(hex::encode(random::<16>()?)),
        }
    }
}

/// Adds to a failure how to repeat the request: whether an unanswered one was done is unknown.
pub(crate) fn repeatable(failure: Failure, request_id: &str) -> Failure {
    if failure.exit != Exit::Unavailable {
        return failure;
    }
    let next = format!(
        "{}; repeat it with --request-id {request_id} within a day, and it takes no token that was made since",
        failure.next
    );
    failure.next(next)
}
