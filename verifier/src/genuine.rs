//! The facts of a genuine token that decisions are made of. Facts may be remembered; what the state
//! says of them is judged at every use.

use tokenward_common::{
    access::Ceiling,
    clock::UnixTime,
    id::{KeyId, Serial, TokenId},
    token::Verified,
};

/// The facts of one genuine token: true for ever, whatever the state says of it now.
#[derive(Debug)]
pub struct Genuine {
    pub serial: Serial,
    pub tid: TokenId,
    pub owner: Box<str>,
    pub kid: KeyId,
    pub exp: Option<UnixTime>,
    pub ceiling: Ceiling,
}

impl From<&Verified> for Genuine {
    fn from(verified: &Verified) -> Self {
        let claims = verified.claims();
        let mut ceiling = Ceiling::builder(claims.role);
        if let Some(scopes) = &claims.scopes {
            for scope in &scopes.scoped {
                let permissions = scope.permissions.iter().map(AsRef::as_ref);
                ceiling = ceiling.scope(scope.kind, &scope.id, permissions);
            }
            ceiling = ceiling.can_read_gated_repos(scopes.can_read_gated_repos);
        }
        Self {
            serial: claims.serial,
            tid: claims.tid,
            owner: claims.sub.as_str().into(),
            kid: verified.kid().clone(),
            exp: claims.exp,
            ceiling: ceiling.build(),
        }
    }
}
