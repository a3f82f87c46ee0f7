//! Puts with a mask: they change only the fields that the mask names, and keep the others of the record.
//!
//! Decides which record a masked put results in; `kinds` says which paths there are. The result is written only if the
//! old record is still the same, so two concurrent updates of different fields lose neither.

use std::borrow::Cow;

use tokenward_common::state::{
    State,
    public::record_to_message,
    record::{Record, RecordKey},
};
use tokenward_proto::v1::{operation::Operation as Put, record::Record as Message};

use super::{
    kinds,
    wire::{self, Operation},
};
use crate::error::Problem;

/// A mask has at most this many paths, which is enough to name all fields of any put.
const MAX_PATHS: usize = 32;
/// An error repeats at most this many characters of an unknown path.
const TOLD: usize = 64;

/// A put with a mask whose paths are all known.
#[derive(Clone, PartialEq, Debug)]
pub struct Update {
    index: usize,
    key: RecordKey,
    put: Message,
    paths: Vec<String>,
}

impl Update {
    pub(super) fn new(index: usize, put: Put, paths: Vec<String>) -> Result<Self, Problem> {
        let field = format!("operations[{index}].update_mask");
        if paths.len() > MAX_PATHS {
            let rule = format!("must be at most {MAX_PATHS} paths");
            return Err(Problem::invalid(field, rule));
        }
        let Ok(put) = put.split() else {
            return Err(Problem::invalid(field, "is for puts alone"));
        };
        let known = kinds::paths(&put);
        if let Some(unknown) = paths.iter().find(|it| !known.contains(&it.as_str())) {
            let told: String = unknown.escape_debug().take(TOLD).collect();
            let rule = format!(
                "there is no path `{told}` here; there are {}",
                known.join(", ")
            );
            return Err(Problem::invalid(field, rule));
        }
        // A mask of ids alone would write the old record again, even after the same batch has ended it.
        let ids = put.key_fields();
        if paths.iter().all(|path| ids.contains(&path.as_str())) {
            return Err(Problem::invalid(field, "must name a field besides the ids"));
        }
        let key = wire::key(index, &put)?;
        Ok(Self {
            index,
            key,
            put,
            paths,
        })
    }

    /// Returns the old record with the fields that the mask names taken from the put.
    fn over(&self, old: Option<Record>) -> Result<Record, Problem> {
        let at = |what: &str| format!("operations[{}].{what}", self.index);
        let Some(old) = old.and_then(record_to_message) else {
            let text = "there is nothing to update; a put without a mask makes it";
            return Err(Problem::NotFound(format!("{}: {text}", at("update_mask"))));
        };
        let mut merged = old.record.ok_or(Problem::Internal)?;
        // What identifies the record always comes from the request.
        let ids = self.put.key_fields();
        let wanted = |path: &str| ids.contains(&path) || self.paths.iter().any(|it| it == path);
        kinds::take_fields(&mut merged, &self.put, wanted).ok_or(Problem::Internal)?;
        match wire::operation(self.index, Put::from(merged).into())? {
            Operation::Put(record) => Ok(record),
            _ => Err(Problem::Internal),
        }
    }
}

/// A batch whose updates are whole puts.
pub(super) struct Whole<'a> {
    pub(super) operations: Cow<'a, [Operation]>,
    /// The records of the state that updates were laid over; they must be unchanged when this is written.
    pub(super) over: Vec<RecordKey>,
}

/// Makes every update whole by the state, and by what the batch itself has written before it.
pub(super) fn whole<'a>(state: &State, operations: &'a [Operation]) -> Result<Whole<'a>, Problem> {
    if !operations.iter().any(is_update) {
        return Ok(Whole {
            operations: Cow::Borrowed(operations),
            over: Vec::new(),
        });
    }
    let mut done: Vec<Operation> = Vec::with_capacity(operations.len());
    let mut over = Vec::new();
    for operation in operations {
        let Operation::Update(update) = operation else {
            done.push(operation.clone());
            continue;
        };
        let key = &update.key;
        let before = done.iter().rev().find_map(|it| match it {
            Operation::Put(record) if record.key() == *key => Some(Some(record.clone())),
            Operation::Delete(gone) if gone == key => Some(None),
            _ => None,
        });
        let old = match before {
            Some(before) => before,
            None => {
                over.push(key.clone());
                state.record(key)
            }
        };
        done.push(Operation::Put(update.over(old)?));
    }
    Ok(Whole {
        operations: Cow::Owned(done),
        over,
    })
}

pub(super) fn is_update(operation: &Operation) -> bool {
    matches!(operation, Operation::Update(_))
}

#[cfg(test)]
mod tests;
