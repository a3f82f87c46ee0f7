//! Wire messages and services, generated from the `.proto` files of this package by the test
//! `generated_code_is_fresh` (`TOKENWARD_REGENERATE=1` writes them anew). Nothing here decides.

mod directory;

// Generated code is judged by its generator.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
#[path = "gen/tokenward.v1.rs"]
pub mod v1;

/// The formats behind the scenes: records, the log, the feed.
#[allow(clippy::all, clippy::pedantic, unreachable_pub, rustdoc::all)]
#[rustfmt::skip]
#[path = "gen/tokenward.internal.v1.rs"]
pub mod internal;

/// Of Envoy's external authorization what the verifier speaks; see `ext_authz/README.md`.
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
