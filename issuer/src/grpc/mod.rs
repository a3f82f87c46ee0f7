//! The issuer's services: messages in, one domain call, messages out. The `door` looks at the caller of
//! every method before the method sees its message.

mod audit;
mod directory;
mod door;
mod export;
mod import;
mod keys;
mod orgs;
mod receipt;
mod tokens;

pub use audit::AuditGrpc;
pub use directory::DirectoryGrpc;
pub use door::Authenticator;
pub use keys::KeyGrpc;
pub use orgs::OrgGrpc;
pub use tokens::TokenGrpc;
