//! Every backend against the one suite: what it takes to run each, and what is peculiar to it.

mod embedded;
mod redis;
