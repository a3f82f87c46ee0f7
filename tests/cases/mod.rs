//! The table of permission cases, as its two runners read it: `common/tests/laws/cases.rs` asks the
//! pure decision, `tests/tests/system/cases.rs` an issuer and a verifier that run. Decides nothing.
//!
//! | file | holds |
//! |---|---|
//! | `hub.txt` | the hub of every case, and the language of changes |
//! | `permissions.tsv` | the cases, and the language of callers |
//! | `hub` | reads the one |
//! | `row` | reads the other |
//! | `words` | the words that both know |
//! | `forge` | tokens that aren't genuine |

pub(crate) mod forge;
pub(crate) mod hub;
pub(crate) mod row;
pub(crate) mod words;

pub(crate) const HUB: &str = include_str!("hub.txt");
pub(crate) const CASES: &str = include_str!("permissions.tsv");
