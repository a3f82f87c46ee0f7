//! Which key sets are taken.

use tokenward_common::{
    store::guards::Guards,
    token::{Role, SigningKey},
};

use super::*;
use crate::decide::tests::{Hub, READ, ask, key_set, kid, token};

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(kid(name), &[seed; 32]).unwrap()
}

#[test]
fn a_kid_names_one_key_for_ever() {
    let hub = Hub::new(Guards::ALL);
    let decider = &hub.decider;
    let (one, two, other) = (key("k1", 1), key("k2", 2), key("k1", 3));
    let holds = |keys: &[&SigningKey]| **decider.keys.load() == key_set(keys);
    let mut known = Known::default();
    decider.keys.store(Arc::default());
    known.swap(decider, key_set(&[&one]));
    assert!(holds(&[&one]));
    known.swap(decider, key_set(&[&other, &two]));
    assert!(holds(&[&one]), "rewritten at once");
    known.swap(decider, key_set(&[&one, &two]));
    known.swap(decider, key_set(&[&two]));
    assert!(holds(&[&two]));
    known.swap(decider, key_set(&[&two, &other]));
    assert!(holds(&[&two]), "rewritten after it was gone");
    known.swap(decider, key_set(&[&two, &one]));
    assert!(holds(&[&two, &one]));
}

/// The memo knows a token by its kid, which must not come to name another key.
#[tokio::test(start_paused = true)]
async fn a_remembered_token_does_not_outlive_its_key() {
    let hub = Hub::followed(Guards::ALL).await;
    let mut known = Known::default();
    hub.decider.keys.store(Arc::default());
    let stolen = token("ada", 7, Role::Write);
    known.swap(&hub.decider, key_set(&[&key("k1", 1)]));
    assert!(hub.allows(&ask(&stolen, "own", READ)));
    known.swap(&hub.decider, key_set(&[&key("k2", 2)]));
    assert!(!hub.allows(&ask(&stolen, "own", READ)));
    known.swap(&hub.decider, key_set(&[&key("k1", 3)]));
    assert!(!hub.allows(&ask(&stolen, "own", READ)));
}
