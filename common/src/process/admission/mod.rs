//! Who may hold a connection, and for how long: for every listener of every program.
//!
//! Decides: how many connections a listener may hold, and one address of them; who goes when there
//! are too many; when a connection that says nothing ends, and an answer that nobody takes; how many
//! frames that ask for nothing one may send. Must not know what is asked and answered.
//!
//! A listener has its own share of the open files, so that strangers at one take nothing from
//! another. Whoever has asked nothing yet, or asked and now holds still, makes room for whoever holds
//! less: an attacker who only sits there closes his own connections. A call in flight is never cut.

mod answering;
mod answers;
mod files;
mod frames;
mod guarded;
mod heads;
mod http;
mod incoming;
mod refused;
mod register;
mod stream;
mod unread;

pub use answering::Answering;
pub use files::{Files, MOST};
pub use frames::{IDLE, PREFACE, Patience, UNTAKEN};
pub use guarded::{Guarded, Protocol};
pub use http::{HttpEnd, serve_http};
pub use incoming::incoming;
pub use refused::Refused;
pub use register::{Admission, Admitted, InFlight, Origin, RequestNotice};
pub use stream::Stream;
pub use unread::Unread;
