//! Handles withdrawn signing keys; the record is the key's `kid`.

use tokenward_proto::internal as pb;

use crate::{
    id::KeyId,
    state::{
        ApplyError, State,
        codec::{DecodeError, Stored, id},
        held::Held,
    },
};

impl Held for KeyId {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.revocations.withdraw(self);
        Ok(())
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn stored(state: &State, kid: &KeyId) -> Option<Self> {
        state.is_withdrawn(kid.as_str()).then(|| kid.clone())
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.withdrawn_keys()
    }

    fn count(state: &State) -> u64 {
        state.revocations.withdrawn.len() as u64
    }
}

impl Stored for KeyId {
    type Message = pb::WithdrawnKey;

    fn to_message(&self) -> Self::Message {
        pb::WithdrawnKey::default()
    }

    fn name_message(message: &mut Self::Message, kid: &KeyId) {
        message.kid = kid.to_string();
    }

    fn from_message(key: Self::Message) -> Result<Self, DecodeError> {
        id("withdrawn_key.kid", &key.kid)
    }
}
