//! Arguments and environment to flags, as clap reads them.

use std::ffi::OsString;

use clap::Parser;

/// A required setting that is missing is left out: the program tells it with all other mistakes, where
/// clap would stop. `A` has an `Option` for it.
pub fn parse<A: Parser>(args: &[OsString]) -> A {
    let lenient = A::command().mut_args(|arg| arg.required(false));
    let matches = lenient.try_get_matches_from(args);
    let parsed = matches.ok().and_then(|it| A::from_arg_matches(&it).ok());
    // Help, and what clap itself refuses, are told by clap.
    parsed.unwrap_or_else(|| A::parse_from(args))
}
