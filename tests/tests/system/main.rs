//! The whole system: real issuers, verifiers, redis-servers and the `tokenward` command, each a
//! process of its own.
//!
//! | module | shows |
//! |---|---|
//! | `revocation` | what is revoked is refused by every verifier |
//! | `changes` | a token updated or rotated is another at once, everywhere |
//! | `edge` | the HTTP doors answer as gRPC does, and know at once what changed |
//! | `receipts` | what is said to be refused by all is refused by all |
//! | `leaks` | values that leaked, all of an owner's tokens, what ends soon, the audit trail |
//! | `keys` | keys rotated under load, and withdrawn |
//! | `unsettled` | what has no key yet is told to try again; what is shown twice is refused |
//! | `operators` | a credential taken out of its file is out everywhere |
//! | `break_glass` | the realm's floor, an org's, a key and an account: each taken from all, with a receipt |
//! | `takeaway` | so is what its owner lost, whatever the token says |
//! | `agreement` | verifiers agree: started late, restarted, over either feed |
//! | `survival` | issuers and stores that are killed lose nothing |
//! | `faults` | under load, whatever is killed, stopped or changed, the callers' history keeps the promise |
//! | `backup` | a lost realm comes back from its backup: no revocation is undone, no serial comes twice |
//! | `staleness` | a verifier that is cut off refuses to answer, and recovers |
//! | `crowds` | idle connections at one listener, and floods, take nothing from the others |
//! | `memory` | what a stranger announces and never sends, or never takes, costs no memory |
//! | `tls` | files replaced under open connections, certificates that stand for credentials |
//! | `repeats` | a request repeated is a request made once |
//! | `refusals` | bad requests and wrong callers change nothing |
//! | `whoami` | who a token's holder is; what groups and org policies make of a token |
//! | `permissions` | unknown names, an org's decisions, service accounts, over the API |
//! | `traces` | a traced caller finds the programs' spans under its own; the audit trail in the log |
//! | `cases` | the table of permission cases, through an issuer and verifiers that run |
//! | `hostile` | what is no token is refused, with a reason, and takes no memory |
//! | `scanner` | the published regex finds every token and nothing else |
//! | `log` | lines that parse, fields of one type, no flood |
//! | `scrape` | what Prometheus asks of a scrape |
//! | `checklist` | each line of the hub's checklist that is claimed names its tests |
//! | `secrecy` | what may not be seen doesn't exist; no secret is told |
//! | `programs` | settings, health, reflection, metrics, logs, the end |
//! | `generated` | a hub that was generated is imported whole, and fills a store |
//! | `command` | the `tokenward` command's exit codes, and imports |
//! | `dev` | `tokenward dev`: what it shows, started again, and not at all |
//! | `command_line` | every other verb of the command, as it prints and as it ends |
//! | `pages` | links, files and tests that the pages name are there |
//! | `examples` | the examples of the help texts run as they are |
//! | `directory` | records found, listed, deleted, exported; a killed import goes on |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test fails it like the test itself"
)]

mod agreement;
mod backup;
mod break_glass;
mod cases;
mod changes;
mod checklist;
mod command;
mod command_line;
mod crowds;
mod dev;
mod directory;
mod edge;
mod examples;
mod faults;
mod generated;
mod hostile;
mod keys;
mod leaks;
mod log;
mod memory;
mod operators;
mod overload;
mod pages;
mod permissions;
mod programs;
mod receipts;
mod refusals;
mod repeats;
mod revocation;
mod scanner;
mod scrape;
mod secrecy;
mod site;
mod staleness;
mod survival;
#[path = "../../cases/mod.rs"]
mod table;
mod takeaway;
mod tls;
mod traces;
mod unsettled;
mod whoami;
