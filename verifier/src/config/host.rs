//! What the settings need to know of the machine. It must not know any setting.

use std::{io, num::NonZeroUsize, path::Path};

pub struct Host<'a> {
    pub hostname: String,
    pub process: u32,
    pub cores: usize,
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Host<'_> {
    pub fn this() -> Self {
        Self {
            hostname: std::fs::read_to_string("/proc/sys/kernel/hostname")
                .unwrap_or_default()
                .trim()
                .into(),
            process: std::process::id(),
            cores: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            read: &|path| std::fs::read_to_string(path),
        }
    }

    /// Reads a file's text. The error names the file.
    pub(super) fn text(&self, path: &Path) -> Result<String, String> {
        (self.read)(path).map_err(|error| format!("can't read `{}`: {error}", path.display()))
    }
}
