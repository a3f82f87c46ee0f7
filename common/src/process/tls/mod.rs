//! This module decides how connections are protected: which certificate a listener shows, which
//! certificates it asks its clients for, and whom a program trusts when it calls another server.
//!
//! It decides which versions of TLS are spoken, when the files are read again, and when a certificate
//! that ends soon is reported. It must not know what is sent over a connection. What the holder of a
//! client certificate may do is decided by `credentials`.
//!
//! There is one implementation (rustls) with one provider of cryptography (ring). The provider is
//! always named, so a second one that some crate brings along can't make a program panic.

mod args;
mod certificate;
mod client;
mod connector;
mod expiry;
mod identity;
mod reread;
mod server;
#[cfg(test)]
mod tests;
#[cfg(feature = "throwaway")]
pub mod throwaway;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use args::{Tls, TlsArgs, TlsConfig};
pub use client::{ClientFiles, ClientFlags, ClientTls};
pub use connector::{Connector, MaybeTls};
pub use identity::Identity;
pub use server::{Alpn, ServerFiles, ServerTls};

/// Returns the one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
