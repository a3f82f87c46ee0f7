//! Compares the methods of a rule with the method of a request. It is pure, and must not know the path.

/// Holds one bit for each method that a rule may list, in the order of `METHODS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Methods(u8);

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// This is any method, including those that no rule can list.
const ANY: Methods = Methods(u8::MAX);
const UNLISTED: Methods = Methods(1 << METHODS.len());

impl Methods {
    /// Returns the method of a request. HEAD counts as GET, since it may see what GET may see.
    pub(super) fn from_name(method: &str) -> Self {
        let method = if method == "HEAD" { "GET" } else { method };
        Self::listed(method).unwrap_or(UNLISTED)
    }

    /// Returns whether some method is in both sets.
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
