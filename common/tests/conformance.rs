//! Every store and feed, held to the contract.

#[path = "conformance/redis.rs"]
mod redis;
#[path = "conformance/redis_server.rs"]
mod redis_server;
