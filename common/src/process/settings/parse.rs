//! This file parses arguments and environment to flags, as clap reads them.

use std::ffi::OsString;

use clap::Parser;

/// Parses the flags, but leaves a missing required setting out: the program reports it with all other
/// mistakes, while clap would stop. `A` must have an `Option` for it.
pub fn parse<A: Parser>(args: &[OsString]) -> A {
    let lenient = A::command().mut_args(|arg| arg.required(false));
    let matches = lenient.try_get_matches_from(args);
    let parsed = matches.ok().and_then(|it| A::from_arg_matches(&it).ok());
    // Clap itself prints the help and the errors that it finds.
    parsed.unwrap_or_else(|| A::parse_from(args))
}
