//! Where a set of public keys is.

use std::path::PathBuf;

use hyper::Uri;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JwksSource {
    File(PathBuf),
    Url(Uri),
}
