//! This file reads files that other programs write and that are read again at run time. No file
//! that is put in place of one may block the reader for ever, or make it allocate more memory than allowed.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Returns the bytes of a regular file of at most `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer, and a device may never end. The kind is read from the
    // open file, because another file may be at its path by now. For a regular file the flag has no
    // effect.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    // The buffer gets its full size at once: a growing buffer would leave copies of a secret behind.
    let length = kind.len().min(most).saturating_add(1);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// Returns the text of a regular file of at most `most` bytes.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn only_a_file_of_a_bounded_length_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let told = |path: &Path| read_text(path, 4).map_err(|error| error.to_string());
        fs::write(&path, "four").unwrap();
        assert_eq!(told(&path).unwrap(), "four");
        // Mounted files are often symbolic links.
        let link = dir.path().join("link");
        symlink("file", &link).unwrap();
        assert_eq!(told(&link).unwrap(), "four");
        fs::write(&path, "fives").unwrap();
        assert_eq!(told(&path).unwrap_err(), "it is longer than 4 bytes");
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(told(&path).unwrap_err(), "it is not UTF-8 text");
        assert_eq!(told(dir.path()).unwrap_err(), "it is a directory");
        let endless = Path::new("/dev/zero");
        assert_eq!(told(endless).unwrap_err(), "it is no regular file");
        let [here, there] = ["here", "there"].map(|name| dir.path().join(name));
        symlink(&here, &there).unwrap();
        symlink(&there, &here).unwrap();
        assert!(told(&here).unwrap_err().contains("symbolic links"));
        let missing = read(&dir.path().join("missing"), 4).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    /// A pipe without a writer, or with a silent one, would block the reader without end.
    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let told = || read(&path, 4).unwrap_err().to_string();
        assert_eq!(told(), "it is no regular file");
        let _silent = File::options().read(true).write(true).open(&path).unwrap();
        assert_eq!(told(), "it is no regular file");
    }
}
