//! Every method that an issuer serves, with its name and who may call it. Each method is listed here once;
//! the role check, the audit trail, the metrics, the traces and the bounds use this list.
//!
//! The followers' methods are not listed: they are one service, for one role.

use tokenward_common::process::bodies::Way;

use crate::caller::Role;

/// This part of a path stands before the service's name.
pub(crate) const PACKAGE: &str = "/tokenward.v1.";
/// These roles may follow the log.
pub(crate) const FOLLOW: &[Role] = &[Role::Feed];

macro_rules! methods {
    ($($service:ident { $($method:ident: $($role:ident)+ $(=> $way:ident)?;)+ })+) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Method {
            $($($method,)+)+
        }

        impl Method {
            pub(crate) const ALL: &[Self] = &[$($(Self::$method,)+)+];

            /// Returns the end of the method's path, which is also its name in the audit trail.
            pub(crate) fn path(self) -> &'static str {
                match self {
                    $($(Self::$method => concat!(stringify!($service), "/", stringify!($method)),)+)+
                }
            }

            /// Returns the method's name in metrics and traces.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $($(Self::$method => stringify!($method),)+)+
                }
            }

            /// Returns the roles of which any one is enough; `admin` is enough, too. A credential with the
            /// role `own` may call the method for the tokens of one owner alone.
            pub(crate) fn roles(self) -> &'static [Role] {
                match self {
                    $($(Self::$method => &[$(Role::$role),+],)+)+
                }
            }

            /// Returns whether the method's messages are single or streams.
            pub(crate) fn way(self) -> Way {
                match self {
                    $($($(Self::$method => Way::$way,)?)+)+
                    _ => Way::Call,
                }
            }
        }
    };
}

// The refusal of a caller that has none of a method's roles names the first of them.
methods! {
    TokenService {
        CreateToken: Mint;
        UpdateToken: Mint;
        RotateToken: Mint Own;
        GetToken: Mint Revoke Own;
        ListTokens: Mint Revoke Own;
        ListExpiringTokens: Mint Revoke;
        RevokeToken: Revoke Own;
        RevokeUserTokens: Revoke;
        RevokeAllTokens: Admin;
        RevokeByValue: Revoke;
        WaitApplied: Revoke Mint Directory Orgs Own;
    }
    OrgTokenService {
        ListOrgTokens: Orgs;
        ApproveOrgToken: Orgs;
        DenyOrgToken: Orgs;
        RevokeOrgToken: Orgs;
        RevokeAllOrgTokens: Orgs Revoke;
    }
    DirectoryService {
        Write: Directory;
        Import: Directory => Stream;
        Get: Directory Mint Revoke;
        List: Directory;
        Export: Directory => Follow;
    }
    KeyService {
        ListKeys: Revoke Mint;
        WithdrawKey: Revoke;
    }
    AuditService {
        ListAuditEvents: Audit;
    }
}

impl Method {
    /// Finds the method by a request's whole path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let path = path.strip_prefix(PACKAGE)?;
        Self::ALL.iter().copied().find(|it| it.path() == path)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use tokenward_proto::DESCRIPTORS;

    use super::*;

    #[test]
    fn the_methods_are_those_of_the_protos() {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let ours = files.iter().filter(|it| it.package() == "tokenward.v1");
        let services = ours.flat_map(|file| &file.service);
        let services = services.filter(|it| it.name() != "VerifierService");
        let paths = services.flat_map(|service| {
            let methods = service.method.iter();
            methods.map(move |it| format!("{PACKAGE}{}/{}", service.name(), it.name()))
        });
        let paths: BTreeSet<String> = paths.collect();
        let named = Method::ALL.iter().map(|it| [PACKAGE, it.path()].concat());
        assert_eq!(named.collect::<BTreeSet<_>>(), paths);
        for path in &paths {
            let method = Method::at(path).unwrap();
            assert!(path.ends_with(method.path()) && path.ends_with(method.name()));
            assert!(!method.roles().is_empty());
        }
        assert_eq!(Method::at("/tokenward.v1.VerifierService/Check"), None);
    }
}
