//! Decides which store URLs there are, and what each may hold. It must not know how a store is opened.

use std::path::{Path, PathBuf};

use tokenward_common::process::{
    Secret, file, listen::url_permitted, secret_url::with_password, settings::Mistake,
};

/// A file with a password may have at most this many bytes.
const MOST_PASSWORD_BYTES: u64 = 64 * 1024;

/// This is where the records and the log are kept.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    Embedded(PathBuf),
    Redis(Secret),
}

impl StoreChoice {
    pub fn redis_url(secret: &Secret) -> &str {
        secret.expose()
    }
}

/// Returns the store's URL with the password from the file, if one is given. An error's message names the
/// setting.
pub fn with_password_of(store: Secret, file: Option<&Path>) -> Result<Secret, Mistake> {
    let Some(path) = file else {
        return Ok(store);
    };
    let text = file::read_text(path, MOST_PASSWORD_BYTES).map_err(|error| error.to_string());
    let whole = text.and_then(|text| with_password(store.expose(), text.trim()));
    whole.map(Secret::new).map_err(|rule| {
        let flag = format!("--store-password-file {}", path.display());
        Mistake::new(flag, rule)
    })
}

/// Reads a URL by the rules for `--store`; an error names that flag, and never repeats the URL, which may
/// hold a password.
pub fn parse_store(text: &Secret, plaintext: bool) -> Result<StoreChoice, Mistake> {
    parse_store_url(text.expose(), plaintext).map_err(|rule| Mistake::new("--store", rule))
}

fn parse_store_url(text: &str, plaintext: bool) -> Result<StoreChoice, String> {
    if let Some(path) = text.strip_prefix("embedded:") {
        return if path.is_empty() {
            Err("embedded: needs a path".into())
        } else {
            Ok(StoreChoice::Embedded(path.into()))
        };
    }
    if text.starts_with("redis://") || text.starts_with("redis+unix://") {
        url_permitted(text, plaintext)?;
        return Ok(StoreChoice::Redis(Secret::new(text.to_owned())));
    }
    if text.starts_with("rediss://") {
        let rule = "TLS to Redis isn't built yet; use a tunnel or redis:// on a trusted network";
        return Err(rule.into());
    }
    Err("must be redis://host:port or embedded:/path".into())
}
