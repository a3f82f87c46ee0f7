//! This file holds the rules for settings of both programs: a text becomes a value or a broken rule. It
//! is pure.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use crate::process::listen::{ListenAddress, Protection};

pub fn required(value: Option<String>) -> Result<String, String> {
    value
        .filter(|v| !v.is_empty())
        .ok_or_else(|| "required".into())
}

pub fn listener(text: &str, protection: Protection) -> Result<ListenAddress, String> {
    let address: ListenAddress = text.parse()?;
    address.permitted(protection)?;
    Ok(address)
}

pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}

pub fn within<T: PartialOrd + fmt::Debug>(
    value: T,
    range: &RangeInclusive<T>,
) -> Result<T, String> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(format!(
            "{value:?} is not within {:?} and {:?}",
            range.start(),
            range.end()
        ))
    }
}
