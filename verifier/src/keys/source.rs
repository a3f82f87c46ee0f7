//! Names where a set of public keys is. It must not know how the set is read.

use std::path::PathBuf;

use hyper::Uri;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JwksSource {
    File(PathBuf),
    Url(Uri),
}
