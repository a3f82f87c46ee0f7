//! What one connection, and all of them, may cost. Every limit that tonic has is set here on
//! purpose; what isn't here is off, with the reason below.
//!
//! Off: `timeout` (it covers the head only, answers CANCELLED, and no handler waits),
//! `concurrency_limit` and `load_shed` (for handlers that wait), `max_connection_age_grace` (it
//! closes without GOAWAY), HTTP/1 on the gRPC listeners (gRPC-web isn't served).

use std::time::Duration;

use tokenward_common::process::{
    admission::{Admission, Files, IDLE, MOST, PREFACE, UNTAKEN},
    bodies::{Bounds, Room, Shares},
};
use tonic::transport::Server;

use super::Peer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Of one listener, over all workers, if there are files for so many. One more is closed at once
    /// (or one that has asked nothing yet), so that its client tries another verifier; left in the
    /// backlog it would wait without knowing.
    pub connections: usize,
    /// Of these, from one address. `None`: half.
    pub address_connections: Option<usize>,
    /// Open files, shared out among the listeners.
    pub files: Files,
    /// A client that connects must speak HTTP/2 within this: nothing else ends a silent one.
    pub preface_deadline: Duration,
    /// A connection without requests for so long, and no more than half as long again, gets a GOAWAY.
    pub grpc_idle: Duration,
    /// An answer of which next to nothing is taken for so long, and no more than half as long again,
    /// is reset.
    pub grpc_untaken: Duration,
    /// Of a request, decoded; tonic has one for all methods. A token is at most 4 KiB, and each of
    /// a batch's 1,000 questions under 230 bytes with the longest names: as much as they need with
    /// one token. More tokens than fit beside them go into another batch.
    pub message_bytes: usize,
    /// In flight on one connection. Proxies put many callers on one, and no answer waits for
    /// anything: hundreds are enough. Each costs some KiB of headers and buffers.
    pub streams: u32,
    /// Cancelled by the client before we looked at them. A proxy whose callers time out together
    /// cancels all it has in flight, and h2's own limit of 20 would end its connection.
    pub reset_streams: usize,
    /// Reset by us for the client's errors; as above.
    pub error_reset_streams: usize,
    /// Of a request's headers. Ours are under 1 KiB; proxies add theirs.
    pub header_bytes: u32,
    /// The least that HTTP/2 allows; messages are small and larger frames only hold up others.
    pub frame_bytes: u32,
    /// Unread bytes that one stream may have in flight: hundreds of Checks; a batch flows through.
    pub stream_window: u32,
    /// The same for a connection; with `connections` this bounds what clients can make us hold.
    pub connection_window: u32,
    /// A peer that vanished without a FIN is found within `keepalive_interval + keepalive_timeout`.
    /// Longer than the 10 s at which some load balancers call pings an abuse.
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// Of an HTTP request's head: the original request's, as a proxy passes it on. A token of 4,096
    /// characters as Basic is under 6 KiB, and proxies take some 16 of others. Whoever sends half of
    /// one holds so much: with `connections` this bounds what strangers can make us hold.
    pub http_head_bytes: usize,
    /// For an HTTP request's head, and so for a connection between two. Longer than proxies keep an
    /// unused connection (nginx 60 s), or one would be closed under a request.
    pub http_idle: Duration,
    /// An HTTP client that takes nothing of its answer for so long is cut off. Of one that takes its
    /// time, buffers on the way are as large as a head's.
    pub http_unread: Duration,
    /// Then GOAWAY, and the client connects again: without this a new verifier behind a
    /// layer-4 balancer would get no old client.
    pub connection_age: Duration,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        connections: MOST,
        address_connections: None,
        files: Files::MANY,
        preface_deadline: PREFACE,
        grpc_idle: IDLE,
        grpc_untaken: UNTAKEN,
        message_bytes: 256 * 1024,
        streams: 256,
        reset_streams: 1024,
        error_reset_streams: 1024,
        header_bytes: 16 * 1024,
        frame_bytes: 16 * 1024,
        stream_window: 128 * 1024,
        connection_window: 256 * 1024,
        keepalive_interval: Duration::from_secs(20),
        keepalive_timeout: Duration::from_secs(10),
        http_head_bytes: 32 * 1024,
        http_idle: Duration::from_secs(75),
        http_unread: Duration::from_secs(60),
        connection_age: Duration::from_secs(30 * 60),
    };

    /// For a listener that has one of so many parts of the files.
    pub(super) fn admission(&self, parts: usize) -> Admission {
        let most = self.connections.min(self.files.share(1, parts));
        Admission::new(most, self.address_connections)
    }

    /// How unary requests are taken in: of one process, for all of its workers.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            room: Room::default(),
            most_bytes: self.message_bytes,
            weight: 1,
            deadline: Bounds::DEADLINE,
            caller: |extensions| extensions.get::<Peer>()?.address(),
        }
    }

    /// The same of what shows bodies, each of `shown` bytes at most, beside a head.
    pub fn bounds_of(&self, shown: usize) -> Bounds {
        let most = shown + 128 * 1024;
        let shares = Shares::DEFAULT;
        // A proxy is one address, and may have one connection.
        let room = Room::new(Shares {
            connection: shares.process / 2,
            address: shares.process / 2,
            process: shares.process,
        });
        Bounds {
            room,
            most_bytes: self.message_bytes.max(most),
            ..self.bounds()
        }
    }

    /// A tonic server with all of them, except those of connections, which are the acceptor's, and
    /// `message_bytes`, which tonic has per service.
    pub(super) fn server(&self) -> Server {
        Server::builder()
            .accept_http1(false)
            .max_concurrent_streams(self.streams)
            .http2_max_pending_accept_reset_streams(Some(self.reset_streams))
            .http2_max_local_error_reset_streams(Some(self.error_reset_streams))
            .http2_max_header_list_size(self.header_bytes)
            .max_frame_size(self.frame_bytes)
            .http2_adaptive_window(Some(false))
            .initial_stream_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .http2_keepalive_interval(Some(self.keepalive_interval))
            .http2_keepalive_timeout(Some(self.keepalive_timeout))
            .max_connection_age(self.connection_age)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
