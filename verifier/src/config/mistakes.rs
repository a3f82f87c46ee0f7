//! What is wrong with the settings, all of it at once: who starts a fleet shouldn't learn of his
//! mistakes one restart at a time.

use std::fmt;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    pub flag: &'static str,
    pub rule: String,
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

    /// The value, or a note of what is wrong with it.
    pub(super) fn take<T>(&mut self, flag: &'static str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(rule) => {
                self.0.push(Mistake { flag, rule });
                None
            }
        }
    }

    pub(super) fn check(&mut self, flag: &'static str, result: Result<(), String>) {
        self.take(flag, result);
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong")?;
        for Mistake { flag, rule } in &self.0 {
            write!(f, "\n  {flag}: {rule}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
