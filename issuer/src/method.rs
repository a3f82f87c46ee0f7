//! Every method that an issuer serves: what it is called, and who may call it. Each stands here once; the
//! role check, the audit trail, the metrics, the traces and the bounds take it from here.
//!
//! The methods of followers are not here: they are one service, for one role.

use tokenward_common::process::bodies::Way;

use crate::caller::Role;

/// Before a service's name in a path.
pub(crate) const PACKAGE: &str = "/tokenward.v1.";
/// Who may follow the log.
pub(crate) const FOLLOW: &[Role] = &[Role::Feed];

macro_rules! methods {
    ($($service:ident { $($method:ident: $($role:ident)+ $(=> $way:ident)?;)+ })+) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Method {
            $($($method,)+)+
        }

        impl Method {
            pub(crate) const ALL: &[Self] = &[$($(Self::$method,)+)+];

            /// As the audit trail names it, and the end of its path.
            pub(crate) fn path(self) -> &'static str {
                match self {
                    $($(Self::$method => concat!(stringify!($service), "/", stringify!($method)),)+)+
                }
            }

            /// As metrics and traces name it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $($(Self::$method => stringify!($method),)+)+
                }
            }

            /// Any one of these roles will do; so will `admin`. Whoever has the role `own` may call it for
            /// the tokens of one owner alone.
            pub(crate) fn roles(self) -> &'static [Role] {
                match self {
                    $($(Self::$method => &[$(Role::$role),+],)+)+
                }
            }

            /// How its messages come and go.
            pub(crate) fn way(self) -> Way {
                match self {
                    $($($(Self::$method => Way::$way,)?)+)+
                    _ => Way::Call,
                }
            }
        }
    };
}

// The first role of each is the one that whoever has none of them is told of.
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
        RevokeByValue: Revoke;
        WaitApplied: Revoke Mint Directory Own;
    }
    OrgTokenService {
        ListOrgTokens: Orgs;
        ApproveOrgToken: Orgs;
        DenyOrgToken: Orgs;
        RevokeOrgToken: Orgs;
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
    /// By a request's whole path.
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
