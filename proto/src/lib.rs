//! Wire messages and services, generated from the `.proto` files of this package by the test
//! `generated_code_is_fresh` (`TOKENWARD_REGENERATE=1` rewrites them). This package decides nothing.

mod directory;

// Lints don't apply to generated code.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
#[path = "gen/tokenward.v1.rs"]
pub mod v1;

/// The internal formats: records, the log, the feed.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
#[path = "gen/tokenward.internal.v1.rs"]
pub mod internal;

/// The part of Envoy's external authorization API that the verifier implements; see `ext_authz/README.md`.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
pub mod envoy {
    pub mod service {
        pub mod auth {
            pub mod v3 {
                include!("gen/envoy.service.auth.v3.rs");
            }
        }
    }
    pub mod config {
        pub mod core {
            pub mod v3 {
                include!("gen/envoy.config.core.v3.rs");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            include!("gen/envoy.r#type.v3.rs");
        }
    }
}

#[allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
pub mod google {
    pub mod rpc {
        include!("gen/google.rpc.rs");
    }
}

/// The encoded `FileDescriptorSet` of all packages, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.bin");
