//! Decides which web pages may call from another origin, by a table's `@cors` lines. It is pure, and must
//! not know the request.

#[derive(Default, Debug)]
pub(super) struct Cors(Vec<Box<str>>);

impl Cors {
    /// Adds the words of a line. They are origins as browsers write them: scheme, host and perhaps a port.
    pub(super) fn add<'a>(&mut self, origins: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let before = self.0.len();
        for origin in origins {
            let (scheme, host) = origin.split_once("://").unwrap_or_default();
            let plain =
                |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'[' | b']');
            let fine = matches!(scheme, "http" | "https") && !host.is_empty();
            if !fine || !host.bytes().all(plain) {
                return Err(format!(
                    "@cors: `{origin}` must be an origin, as https://chat.example: no path, small letters"
                ));
            }
            self.0.push(origin.into());
        }
        match self.0.len() > before {
            true => Ok(()),
            false => Err("@cors: must name an origin, as https://chat.example".into()),
        }
    }

    pub(super) fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|known| **known == *origin)
    }
}
