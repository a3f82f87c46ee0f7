//! The replicated state holds everything but the token that a decision needs, folded from one log.
//!
//! This module decides what a change does to the state. It must not know stores, the network, or the clock.
//!
//! [`State`] keeps rows in pages and finds them through many small hash tables, so that a reader waits for at
//! most the growth of one table, never for that of a whole index.

mod account_row;
mod accounts;
mod amendments;
mod apply;
pub mod codec;
mod difference;
mod directory;
mod entry;
mod export;
#[cfg(test)]
mod golden;
mod groups;
mod held;
mod index;
mod interner;
pub mod key;
mod kinds;
mod lookup;
mod memberships;
mod names;
mod org_tokens;
pub(crate) mod packed;
mod paged;
mod pairs;
mod pieces;
pub mod public;
pub mod record;
mod redirects;
mod repos;
pub mod reserved;
mod revocations;
mod scan;
mod sharded;
pub(crate) mod short;

pub use accounts::{Account, AccountStatus, AccountView, KnownAccount};
pub use amendments::AmendmentView;
pub use apply::State;
pub use entry::{ApplyError, Counts, Entry};
pub use groups::{GroupHandle, GroupView};
pub use org_tokens::{Decided, PolicyView};
pub use pieces::{Piece, Pieces};
pub use record::MAX_EXPIRIES;
pub use repos::{RepoHandle, RepoView};
pub use revocations::PAGE_SERIALS;
pub use scan::{Filter, Filters, Horizon, Page, Place, Scan, Selection};
