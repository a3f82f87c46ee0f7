//! The committed code in `src/gen` is what the `.proto` files give today.

#![expect(clippy::unwrap_used, reason = "a test: a failure ends it")]

use std::{env, fs, path::Path};

const FILES: [&str; 10] = [
    "tokenward/v1/audit.proto",
    "tokenward/v1/key.proto",
    "tokenward/v1/token.proto",
    "tokenward/v1/directory.proto",
    "tokenward/v1/org.proto",
    "tokenward/v1/verifier.proto",
    "tokenward/internal/v1/record.proto",
    "tokenward/internal/v1/feed.proto",
    "tokenward/internal/v1/snapshot.proto",
    "envoy/service/auth/v3/external_auth.proto",
];
const GENERATED: [&str; 7] = [
    "tokenward.v1.rs",
    "tokenward.internal.v1.rs",
    "envoy.service.auth.v3.rs",
    "envoy.config.core.v3.rs",
    "envoy.r#type.v3.rs",
    "google.rpc.rs",
    "descriptors.bin",
];

fn generate(root: &Path, out: &Path) {
    let descriptors = protox::compile(FILES, [root, &root.join("ext_authz")]).unwrap();
    let bytes = protox::prost::Message::encode_to_vec(&descriptors);
    fs::write(out.join("descriptors.bin"), bytes).unwrap();
    tonic_prost_build::configure()
        .out_dir(out)
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .bytes(".tokenward.internal.v1.Entry.changes")
        .bytes(".tokenward.internal.v1.RevokedPage.bits")
        .compile_fds(descriptors)
        .unwrap();
}

#[test]
fn generated_code_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/gen");
    if env::var_os("TOKENWARD_REGENERATE").is_some() {
        generate(root, &committed);
        return;
    }
    let fresh = tempfile::tempdir().unwrap();
    generate(root, fresh.path());
    for file in GENERATED {
        assert!(
            fs::read(fresh.path().join(file)).unwrap() == fs::read(committed.join(file)).unwrap(),
            "{file} is stale: run TOKENWARD_REGENERATE=1 cargo test -p tokenward-proto"
        );
    }
}
