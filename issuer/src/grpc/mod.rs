//! The issuer's services: each turns a message into one domain call, and the result into a message. The
//! [`Authenticator`] checks the caller of every method before the method sees its message.

mod audit;
mod authenticator;
mod directory;
mod export;
mod import;
mod keys;
mod orgs;
mod receipt;
mod tokens;

pub use audit::AuditGrpc;
pub use authenticator::Authenticator;
pub use directory::DirectoryGrpc;
pub use keys::KeyGrpc;
pub use orgs::OrgGrpc;
pub use tokens::TokenGrpc;
