//! This module decides which clients may hold a connection, and for how long, on every listener of
//! every program.
//!
//! It decides how many connections a listener and one address may hold, and which are closed when there
//! are too many. It decides when a silent connection or an untaken answer ends, and how many frames
//! without a request a client may send. It must not know what is requested and answered.
//!
//! Each listener has its own share of the open files, so that strangers at one take nothing from
//! another. A connection without a request yet, or idle after one, makes room for callers that hold
//! fewer: an attacker that only stays connected loses its own connections. A call in flight is never
//! cut.

mod accepting;
mod answering;
mod answers;
mod files;
mod frames;
mod guarded;
mod heads;
mod http;
mod incoming;
mod peer;
mod refused;
mod register;
mod socket;
mod stream;
mod unread;

pub use accepting::{Accepting, BREATH, is_of_one_connection, shake_hands};
pub use answering::Answering;
pub use files::{Files, MOST};
pub use frames::{IDLE, PREFACE, Patience, UNTAKEN};
pub use guarded::{Guarded, Protocol};
pub use http::{HttpEnd, serve_http};
pub use incoming::incoming;
pub use peer::Peer;
pub use refused::Refused;
pub use register::{Admission, Admitted, InFlight, Origin, RequestNotice};
pub use socket::Socket;
pub use stream::Stream;
pub use unread::Unread;
