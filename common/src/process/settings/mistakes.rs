//! This file collects all mistakes in the settings at once, so that an operator doesn't need a restart
//! to learn of each.

use std::{borrow::Cow, fmt};

/// A mistake: the flag, and the rule that its value breaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    pub flag: Cow<'static, str>,
    pub rule: String,
}

impl Mistake {
    pub fn new(flag: impl Into<Cow<'static, str>>, rule: String) -> Self {
        let flag = flag.into();
        Self { flag, rule }
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value, or records what is wrong with it.
    pub fn take<T>(
        &mut self,
        flag: impl Into<Cow<'static, str>>,
        result: Result<T, String>,
    ) -> Option<T> {
        self.take_all(result.map_err(|rule| Mistake::new(flag, rule)))
    }

    /// Returns a value, or records all its mistakes, which name their flags themselves.
    pub fn take_all<T>(&mut self, result: Result<T, impl Into<Self>>) -> Option<T> {
        result.map_err(|wrong| self.0.extend(wrong.into().0)).ok()
    }

    pub fn check(&mut self, flag: impl Into<Cow<'static, str>>, result: Result<(), String>) {
        self.take(flag, result);
    }

    /// Returns what was built of the values, if none of them was wrong.
    pub fn or_built<T>(self, built: Option<T>) -> Result<T, Self> {
        built.filter(|_| self.is_empty()).ok_or(self)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.flag, self.rule)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong")?;
        for mistake in &self.0 {
            write!(f, "\n  {mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistake {}

impl std::error::Error for Mistakes {}
