//! Laws of the pure parts, held against a model of its own: plain maps and straight-line rules.

#![allow(unreachable_pub, reason = "modules of one test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is tests, which clippy.toml exempts only inside test functions"
)]

#[path = "laws/bugs.rs"]
mod bugs;
#[path = "laws/case_approval.rs"]
mod case_approval;
#[path = "laws/case_world.rs"]
mod case_world;
#[path = "laws/cases.rs"]
mod cases;
#[path = "laws/decision.rs"]
mod decision;
#[path = "laws/difference.rs"]
mod difference;
#[path = "laws/examples.rs"]
mod examples;
#[path = "laws/fold.rs"]
mod fold;
#[path = "laws/history.rs"]
mod history;
#[path = "laws/naive.rs"]
mod naive;
#[path = "laws/naive_access.rs"]
mod naive_access;
#[path = "laws/naive_scopes.rs"]
mod naive_scopes;
#[path = "laws/naive_vocabulary.rs"]
mod naive_vocabulary;
#[path = "laws/parent.rs"]
mod parent;
#[path = "laws/product.rs"]
mod product;
#[path = "laws/product_orgs.rs"]
mod product_orgs;
#[path = "laws/random_tokens.rs"]
mod random_tokens;
#[path = "laws/scan.rs"]
mod scan;
#[path = "../../tests/cases/mod.rs"]
mod table;
