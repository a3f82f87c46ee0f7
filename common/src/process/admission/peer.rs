//! This file says who is at the other end of a connection: its address, and the names that its
//! certificate proved. It must not know what they may do.

use std::{fmt, net::SocketAddr, sync::Arc};

use super::socket::{Kind, Socket};
use crate::process::tls::Identity;

/// The other end of a connection. It is in every request's extensions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    place: Place,
    /// Who showed a certificate.
    identity: Option<Arc<Identity>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix,
    /// The peer was gone before its address could be read.
    Unknown,
}

impl Peer {
    /// The peer of a request that reached its handler by no listener.
    pub const UNKNOWN: Self = Self {
        place: Place::Unknown,
        identity: None,
    };
    /// A peer at a Unix socket.
    pub const UNIX: Self = Self {
        place: Place::Unix,
        identity: None,
    };

    pub fn at(address: SocketAddr) -> Self {
        Self {
            place: Place::Tcp(address),
            identity: None,
        }
    }

    pub(super) fn of_socket(socket: &Socket, identity: Option<Arc<Identity>>) -> Self {
        let place = match socket.kind() {
            Kind::Tcp(stream) => stream.peer_addr().map_or(Place::Unknown, Place::Tcp),
            Kind::Unix(_) => Place::Unix,
            Kind::Parked(_) => Place::Unknown,
        };
        Self { place, identity }
    }

    /// The peer with this certificate.
    #[must_use]
    pub fn with_identity(self, identity: Option<Arc<Identity>>) -> Self {
        Self { identity, ..self }
    }

    /// The address by which peers share what is bounded for each. It is `None` for a Unix socket, and
    /// `0.0.0.0:0` for a peer that was already gone.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            Place::Unix => None,
            Place::Unknown => Some(SocketAddr::from(([0; 4], 0))),
        }
    }

    /// The address, if it is known.
    pub fn known_address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            Place::Unix | Place::Unknown => None,
        }
    }

    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }
}

/// The origin of a call as the audit trail holds it: an address, or `unix`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Tcp(address) => address.fmt(f),
            Place::Unix => f.write_str("unix"),
            Place::Unknown => f.write_str("unknown"),
        }
    }
}
