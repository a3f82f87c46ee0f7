//! The methods of a rule, and that of a request. Pure.

/// A bit for each of those that a rule may list, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Methods(u8);

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Any method, those that no rule lists too.
const ANY: Methods = Methods(u8::MAX);
const UNLISTED: Methods = Methods(1 << METHODS.len());

impl Methods {
    /// Of a request. What HEAD may see, GET may.
    pub(super) fn from_name(method: &str) -> Self {
        let method = if method == "HEAD" { "GET" } else { method };
        Self::listed(method).unwrap_or(UNLISTED)
    }

    /// Some method is one of both.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn listed(method: &str) -> Option<Self> {
        let place = METHODS.iter().position(|known| *known == method);
        place.map(|place| Self(1 << place))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(ANY);
        }
        let parse = |method: &str| {
            Self::listed(method).ok_or_else(|| {
                let known = METHODS.join(", ");
                format!("methods: `{method}` must be one of {known}, or *")
            })
        };
        let mut methods = text.split(',').map(parse);
        methods.try_fold(Self(0), |all, one| Ok(Self(all.0 | one?.0)))
    }
}
