//! Maps the API's enumerations to the words that people read and write.

use tokenward_proto::v1::{
    EntityKind, GateMode, GrantState, GroupRole, KeyState, OrgRole, OrgTokenState, Reason,
    ReceiptState, RepoKind, SecurityRestriction, TokenPolicy, TokenState, Visibility,
};

/// An enumeration of the API. Its words are the proto names without their prefix, in lower case.
pub(crate) trait Word: Copy + TryFrom<i32> {
    const PREFIX: &'static str;
    /// The character between the parts of a word.
    const JOINT: &'static str = "_";

    fn proto_name(self) -> &'static str;
    fn from_proto_name(name: &str) -> Option<Self>;

    fn word(self) -> String {
        let name = self.proto_name();
        let name = name.strip_prefix(Self::PREFIX).unwrap_or(name);
        name.to_ascii_lowercase().replace('_', Self::JOINT)
    }

    fn parse_word(text: &str) -> Option<Self> {
        let name = text.to_ascii_uppercase().replace(Self::JOINT, "_");
        Self::from_proto_name(&format!("{}{name}", Self::PREFIX))
            .filter(|value| value.word() == text && text != "unspecified")
    }

    /// Returns all words except `unspecified`, for messages.
    fn words() -> String {
        let all: Vec<String> = (1..)
            .map_while(|number| Self::try_from(number).ok())
            .map(Self::word)
            .collect();
        all.join(", ")
    }
}

/// Returns the word of a number from the wire. A number that is newer than this command is shown as the
/// number.
pub(crate) fn word_of<W: Word>(number: i32) -> String {
    W::try_from(number).map_or_else(|_| number.to_string(), W::word)
}

macro_rules! words {
    ($($name:ident $prefix:literal $($joint:literal)?;)*) => {$(
        impl Word for $name {
            const PREFIX: &'static str = $prefix;
            $(const JOINT: &'static str = $joint;)?

            fn proto_name(self) -> &'static str {
                self.as_str_name()
            }

            fn from_proto_name(name: &str) -> Option<Self> {
                Self::from_str_name(name)
            }
        }
    )*};
}

words! {
    EntityKind "ENTITY_KIND_" "-";
    GateMode "GATE_MODE_";
    GrantState "GRANT_STATE_";
    GroupRole "GROUP_ROLE_";
    KeyState "KEY_STATE_";
    OrgRole "ORG_ROLE_";
    OrgTokenState "ORG_TOKEN_STATE_";
    Reason "REASON_";
    ReceiptState "RECEIPT_STATE_";
    RepoKind "REPO_KIND_";
    SecurityRestriction "SECURITY_RESTRICTION_" "-";
    TokenPolicy "TOKEN_POLICY_";
    TokenState "TOKEN_STATE_";
    Visibility "VISIBILITY_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_one_form() {
        assert_eq!(
            EntityKind::parse_word("resource-group"),
            Some(EntityKind::ResourceGroup)
        );
        assert_eq!(OrgRole::parse_word("no_access"), Some(OrgRole::NoAccess));
        assert_eq!(GateMode::parse_word("none"), Some(GateMode::None));
        for bad in ["", "Model", "MODEL", "models", "unspecified", " model"] {
            assert_eq!(RepoKind::parse_word(bad), None, "{bad}");
        }
        assert_eq!(EntityKind::parse_word("resource_group"), None);
    }

    #[test]
    fn words_are_listed() {
        assert_eq!(Visibility::words(), "private, protected, public");
        assert!(RepoKind::words().ends_with("collection, endpoint"));
        assert_eq!(word_of::<Reason>(41), "token_scope");
        assert_eq!(word_of::<Reason>(999), "999");
    }
}
