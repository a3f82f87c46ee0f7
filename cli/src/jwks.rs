//! Reads a realm's public keys, from a file or from the URL where an issuer serves them. It trusts the
//! document: the user must make sure that it is the right realm's.

use std::{
    fs::File,
    io::{self, Read},
};

use tokenward_common::token::{KeyDocument, MAX_DOCUMENT};

use crate::{
    connect,
    exit::{Exit, Failure},
    global::Global,
};

const OPTION: &str = "--jwks";

pub(crate) async fn read(source: &str, global: &Global) -> Result<KeyDocument, Failure> {
    let bytes = match source.contains("://") {
        true => fetch(source, global).await?,
        false => read_file(source).map_err(|error| {
            Failure::usage(format!("{OPTION}: {source} can't be read: {error}"))
                .next("give a readable file, or a URL that begins with https:// or http://")
        })?,
    };
    KeyDocument::parse(&bytes).map_err(|error| {
        Failure::usage(format!("{OPTION}: {source} can't be used: {error}")).next(
            "give what the issuer serves at /.well-known/jwks.json, as a URL or saved in a file",
        )
    })
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Reading one byte more than is allowed shows that the document is too long.
    let limit = u64::try_from(MAX_DOCUMENT + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn fetch(source: &str, global: &Global) -> Result<Vec<u8>, Failure> {
    let uri = connect::url(OPTION, source, global)?;
    let tls = global.tls()?;
    let fetched = async {
        let fetched = tokenward_verifier::keys::fetch(uri.clone(), &tls).await;
        fetched.map_err(unavailable)
    };
    tokio::time::timeout(global.timeout, fetched)
        .await
        .map_err(|_| Failure::late(&uri.to_string()))?
}

fn unavailable(problem: String) -> Failure {
    Failure::new(Exit::Unavailable, format!("{OPTION}: {problem}"))
        .next("try again, or save the key set in a file and give that")
}
