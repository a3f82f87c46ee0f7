//! This file decides for whose tokens a credential with the role `own` is valid: those of one owner. A
//! pod that rotates its own token holds one; with `mint` it could mint for all owners.

use super::{caller::Caller, error::CallerError, role::Role};
use crate::id::AccountId;

/// The owners whose tokens a caller may see and change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whose {
    Everybodys,
    /// The owner's id. It is not the name, which may later belong to another account.
    Of(AccountId),
}

impl Caller {
    /// Requires one of the roles, as [`Caller::require`] does, or `own`. The caller must respect the
    /// result.
    pub fn require_or_own(&self, any: &[Role]) -> Result<Whose, CallerError> {
        match &self.owner {
            Some(owner) => Ok(Whose::Of(owner.clone())),
            None => self.require(any).map(|()| Whose::Everybodys),
        }
    }
}

/// Returns the owner of an entry that is for one owner alone.
pub(super) fn owner(
    roles: &[Role],
    owner: Option<&str>,
    mistake: &mut impl FnMut(&'static str, &str),
) -> Option<AccountId> {
    let own = roles.contains(&Role::Own);
    if own && roles.iter().any(|role| *role != Role::Own) {
        let rule = "own goes with no other role; make a credential of each";
        mistake("roles", rule);
    }
    match owner {
        None if own => {
            let rule = "must be set with the role own: the id of a user or a service account";
            mistake("owner", rule);
            None
        }
        Some(_) if !own => {
            mistake("owner", "goes with the role own alone");
            None
        }
        Some(text) => match AccountId::parse(text) {
            Ok(id) => Some(id),
            Err(rule) => {
                mistake("owner", &format!("must be an account's id: {rule}"));
                None
            }
        },
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Credentials, new_credential},
        *,
    };

    /// Makes a file with one entry. `more` is the text that follows the digest.
    fn entry(more: &str) -> (String, Result<Credentials, Vec<String>>) {
        let (secret, digest) = new_credential().unwrap();
        let json = format!(r#"{{"credentials":[{{"name":"pod","sha256":["{digest}"],{more}}}]}}"#);
        (secret, Credentials::parse(&json))
    }

    #[test]
    fn own_is_for_one_owner_and_for_nothing_else() {
        let (secret, credentials) = entry(r#""roles":["own"],"owner":"u-ada""#);
        let shown = format!("Bearer {secret}");
        let caller = credentials.ok().unwrap().caller(Some(&shown)).unwrap();
        let ada = AccountId::parse("u-ada").unwrap();
        let any = [Role::Mint, Role::Revoke, Role::Own, Role::Admin];
        assert_eq!(caller.require_or_own(&any), Ok(Whose::Of(ada)));
        for role in any {
            assert!(caller.require(&[role]).is_err(), "{role:?}");
        }
        for roles in [r#"["mint"]"#, r#"["admin"]"#] {
            let (secret, credentials) = entry(&format!(r#""roles":{roles}"#));
            let shown = format!("Bearer {secret}");
            let caller = credentials.ok().unwrap().caller(Some(&shown)).unwrap();
            let whose = caller.require_or_own(&[Role::Mint]);
            assert_eq!(whose, Ok(Whose::Everybodys), "{roles}");
            if roles.contains("mint") {
                assert!(caller.require_or_own(&[Role::Revoke]).is_err());
            }
        }
    }

    #[test]
    fn own_and_its_owner_stand_together_and_alone() {
        for (more, field) in [
            (r#""roles":["own"]"#, "owner: must be set with the role own"),
            (r#""roles":["own"],"owner":null"#, "owner: must be set"),
            (
                r#""roles":["own"],"owner":"""#,
                "owner: must be an account's id",
            ),
            (
                r#""roles":["own"],"owner":"a b""#,
                "owner: must be an account's id",
            ),
            (
                r#""roles":["mint"],"owner":"u-ada""#,
                "owner: goes with the role own",
            ),
            (
                r#""roles":["admin"],"owner":"u-ada""#,
                "owner: goes with the role own",
            ),
            (
                r#""roles":["own","mint"],"owner":"u-ada""#,
                "roles: own goes with no other",
            ),
            (
                r#""roles":["admin","own"],"owner":"u-ada""#,
                "roles: own goes with no other",
            ),
        ] {
            let mistakes = entry(more).1.err().unwrap_or_default().join("\n");
            let told = format!("credentials[0].{field}");
            assert!(mistakes.contains(&told), "{more}: {mistakes}");
        }
    }
}
