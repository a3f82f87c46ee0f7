//! Decides what one connection, and all of them, may cost. It must not know what is served. Every limit
//! that tonic has is set here on purpose. The limits that are off are listed here with the reason.
//!
//! These are off: `timeout` (it covers only the head, answers CANCELLED, and no handler waits),
//! `concurrency_limit` and `load_shed` (they are for handlers that wait), `max_connection_age_grace`
//! (it closes without GOAWAY), and HTTP/1 on the gRPC listeners (gRPC-web isn't served).

use std::time::Duration;

use tokenward_common::process::{
    admission::{Admission, Files, IDLE, MOST, PREFACE, UNTAKEN},
    bodies::{Bounds, Room, Shares},
};
use tonic::transport::Server;

use super::Peer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most connections of one listener, over all workers, if there are files for so many. One more
    /// is closed at once (or one that has sent no request yet), so that its client tries another
    /// verifier. In the backlog it would wait without knowing.
    pub connections: usize,
    /// The most of these connections from one address. `None` means half.
    pub address_connections: Option<usize>,
    /// The open files of this process, shared out among the listeners.
    pub files: Files,
    /// A client that connects must speak HTTP/2 within this time. Nothing else ends a silent
    /// connection.
    pub preface_deadline: Duration,
    /// A connection without requests for this long gets a GOAWAY, at the latest after half as long
    /// again.
    pub grpc_idle: Duration,
    /// An answer is reset if its client takes next to nothing of it for this long, at the latest after
    /// half as long again.
    pub grpc_untaken: Duration,
    /// The largest request, decoded, in bytes; tonic has one limit for all methods. A token is at most
    /// 4 KiB, and each of a batch's 1,000 questions is under 230 bytes with the longest names. The
    /// limit fits a full batch with one token. A batch with more tokens than fit must be split.
    pub message_bytes: usize,
    /// The most streams in flight on one connection. Proxies put many callers on one connection, and no
    /// answer waits for anything, so hundreds are enough. Each costs some KiB of headers and buffers.
    pub streams: u32,
    /// The most streams that the client cancelled before they were read. A proxy whose callers time out
    /// together cancels all its streams in flight, and h2's own limit of 20 would end its connection.
    pub reset_streams: usize,
    /// The most streams that the verifier reset for the client's errors. It is as high as
    /// `reset_streams`, because a proxy carries many callers.
    pub error_reset_streams: usize,
    /// The largest headers of a request, in bytes. Tokenward's own are under 1 KiB; proxies add theirs.
    pub header_bytes: u32,
    /// The largest frame, in bytes. This is the least that HTTP/2 allows: messages are small, and
    /// larger frames only delay others.
    pub frame_bytes: u32,
    /// The unread bytes that one stream may have in flight: enough for hundreds of Checks. A batch
    /// flows through.
    pub stream_window: u32,
    /// The unread bytes that one connection may have in flight. With `connections` this bounds what
    /// clients can make the verifier hold.
    pub connection_window: u32,
    /// A peer that vanished without a FIN is found within `keepalive_interval + keepalive_timeout`. The
    /// interval is longer than 10 s, at which some load balancers call pings an abuse.
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// The largest head of an HTTP request, in bytes: it holds the original request's head, as a proxy
    /// passes it on. A token of 4,096 characters as Basic is under 6 KiB, and proxies accept some 16
    /// KiB of other headers. A client that sends half a head makes the verifier hold as much. With
    /// `connections` this bounds what strangers can make it hold.
    pub http_head_bytes: usize,
    /// The time for an HTTP request's head, and so for an idle connection. It is longer than proxies
    /// keep an unused connection (nginx 60 s), or a connection could be closed under a request.
    pub http_idle: Duration,
    /// An HTTP client that takes nothing of its answer for this long is cut off. For a slow client, the
    /// buffers on the way are as large as a head's.
    pub http_unread: Duration,
    /// After this time a connection gets a GOAWAY, and the client connects again. Without it, a new
    /// verifier behind a layer-4 balancer would get no existing client.
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

    /// The admission of a listener that gets one of `parts` shares of the files.
    pub(super) fn admission(&self, parts: usize) -> Admission {
        let most = self.connections.min(self.files.share(1, parts));
        Admission::new(most, self.address_connections)
    }

    /// The bounds by which unary requests are read. They count for one process, over all of its
    /// workers.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            room: Room::default(),
            most_bytes: self.message_bytes,
            weight: 1,
            deadline: Bounds::DEADLINE,
            caller: |extensions| extensions.get::<Peer>()?.address(),
        }
    }

    /// The bounds for requests that contain bodies, each of at most `shown` bytes, beside a head.
    pub fn bounds_of(&self, shown: usize) -> Bounds {
        let most = shown + 128 * 1024;
        let shares = Shares::DEFAULT;
        // A proxy is one address and has few connections. The longest messages must fit into one.
        let room = Room::new(Shares {
            connection: shares.connection.max(4 * most).min(shares.process / 2),
            address: shares.process / 2,
            process: shares.process,
        });
        Bounds {
            room,
            most_bytes: self.message_bytes.max(most),
            ..self.bounds()
        }
    }

    /// A tonic server with all of these limits, except those on connections, which the acceptor
    /// applies, and `message_bytes`, which tonic sets per service.
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
