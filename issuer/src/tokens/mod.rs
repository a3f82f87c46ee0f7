//! Minting, changing, listing and revoking tokens.
//!
//! | module | decides |
//! |---|---|
//! | `create`, `rotate`, `value` | when a value may be made; none is handed out before it is durable |
//! | `owner` | who may own a token and under which name, and what it may be scoped on |
//! | `update`, `narrower` | what an amendment contains, and whether it only takes away |
//! | `revoke`, `by_value` | what a revocation writes |
//! | `reach` | which orgs a token reaches, and what they require when it is made or changed |
//! | `orgs` | what an org decides about a token |
//! | `token` | which facts of a token are kept, and how its transitions change them |
//! | `find` | nothing: it reads tokens from the store |
//! | `list` | what is shown of tokens, and which of them are live |
//! | `present_names` | nothing: it looks up the names of owners and scoped entities |
//! | `warnings` | which of a token's permissions grant nothing |
//! | `wire` | which token messages are valid; it also writes the answers |
//!
//! A secret is stored nowhere; only its last four characters are kept.

mod by_value;
mod create;
mod find;
mod list;
mod narrower;
mod orgs;
mod owner;
mod present_names;
mod reach;
mod revoke;
mod rotate;
mod token;
mod update;
mod value;
mod warnings;
pub mod wire;

use std::sync::Arc;

use tokenward_common::{replica::Replica, store::Store};

use crate::{error::Problem, keys::Keys, view::catch_up};

pub use by_value::{Beyond, ByValue, ByValueDone, MAX_VALUE, MAX_VALUES};
pub use create::NewToken;
pub use list::{MAX_PAGE, Shown};
pub use orgs::{Decision, Listing, Order, OrgShown};
pub use rotate::{MAX_OVERLAP, Rotation};
pub use token::{Facts, Revoked, Token};
pub use update::Update;
pub use value::Minted;
pub use warnings::warnings;

#[derive(Clone)]
pub struct Tokens {
    pub store: Arc<dyn Store>,
    pub replica: Arc<Replica>,
    pub keys: Arc<Keys>,
}

impl Tokens {
    /// Waits until the own view shows all that the store held when this was called.
    async fn catch_up(&self) -> Result<(), Problem> {
        catch_up(self.store.as_ref(), &self.replica).await
    }
}
