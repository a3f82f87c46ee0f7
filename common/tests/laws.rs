//! Laws of the pure parts, held against a model of its own: plain maps and straight-line rules.

#![allow(unreachable_pub, reason = "modules of one test binary")]

#[path = "laws/decision.rs"]
mod decision;
#[path = "laws/fold.rs"]
mod fold;
#[path = "laws/history.rs"]
mod history;
#[path = "laws/naive.rs"]
mod naive;
#[path = "laws/rules.rs"]
mod rules;
