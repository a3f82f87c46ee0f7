//! Decides when a rule applies, by its column `when`. It is pure, and must not know what the rule needs.

use super::{Body, Unrouted, request::OpenRequest};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Parameter {
        name: Box<str>,
        /// `None` means that the parameter must be present with any value.
        value: Option<Box<str>>,
    },
    Operation(Box<str>),
    /// The door is shown no bodies. There may be one, with any content.
    BodyAbsent,
}

impl Condition {
    pub(super) fn holds(&self, asked: &OpenRequest<'_>) -> Result<bool, Unrouted> {
        Ok(match self {
            Self::Parameter { name, value } => match (asked.target.parameter(name)?, value) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(said), Some(value)) => said == **value,
            },
            Self::Operation(value) => asked.fields()?.operation.as_deref() == Some(&**value),
            Self::BodyAbsent => asked.body() == Body::Unseen,
        })
    }

    /// Returns whether the two conditions never hold together, because each requires another value.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Operation(one), Self::Operation(other)) => one != other,
            (
                Self::Parameter {
                    name,
                    value: Some(one),
                },
                Self::Parameter {
                    name: same,
                    value: Some(other),
                },
            ) => name == same && one != other,
            _ => false,
        }
    }

    /// Parses a list of conditions, all of which must hold.
    pub(super) fn list(text: &str) -> Result<Vec<Self>, String> {
        if text == "-" {
            return Ok(Vec::new());
        }
        let list = text.split(',').map(Self::parse);
        let list = list.collect::<Result<Vec<_>, _>>()?;
        let reads = list.iter().any(|it| matches!(it, Self::Operation(_)));
        if reads && list.contains(&Self::BodyAbsent) {
            return Err("when: body.absent and body.operation never hold together".into());
        }
        Ok(list)
    }

    fn parse(one: &str) -> Result<Self, String> {
        if one == "body.absent" {
            return Ok(Self::BodyAbsent);
        }
        if let Some(value) = one.strip_prefix("body.operation=") {
            return Ok(Self::Operation(value.into()));
        }
        let parameter = one.strip_prefix('?').filter(|rest| !rest.is_empty());
        let parameter = parameter.ok_or_else(|| {
            format!(
                "when: `{one}` must be -, ?name, ?name=value, body.operation=value or body.absent"
            )
        })?;
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value.into())),
            None => (parameter, None),
        };
        Ok(Self::Parameter {
            name: name.into(),
            value,
        })
    }
}
