//! Cuts an input of any size into batches. It reads at most one batch at a time, and no line longer than
//! [`LONGEST_LINE`]. A batch with mistakes is returned as refused, with all of its mistakes.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};
use tokenward_proto::v1::Operation;

use super::line;

/// The most operations that the API accepts in one batch.
const MOST_OPERATIONS: usize = 100;
/// The most bytes in a batch: well below gRPC's usual limit of 4 MiB for a message.
const MOST_BYTES: usize = 1 << 20;
const LONGEST_LINE: usize = 64 << 10;

/// A position in the input, and the SHA-256 of all bytes before it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) digest: [u8; 32],
}

/// Up to 100 lines that are written together or not at all.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Batch {
    /// The line number of each operation, counted from 1.
    pub(super) lines: Vec<u64>,
    pub(super) operations: Vec<Operation>,
    /// Line number and rule of each mistake. A batch with mistakes must not be sent.
    pub(super) mistakes: Vec<(u64, String)>,
    /// The position of the end of this batch.
    pub(super) end: Mark,
}

impl Batch {
    pub(super) fn first_line(&self) -> u64 {
        self.lines.first().copied().unwrap_or_default()
    }

    pub(super) fn last_line(&self) -> u64 {
        self.lines.last().copied().unwrap_or_default()
    }
}

pub(super) struct Batches<R> {
    input: R,
    line: u64,
    offset: u64,
    digest: Sha256,
    ended: bool,
}

impl<R: BufRead> Batches<R> {
    pub(super) fn new(input: R) -> Self {
        Self::after(input, &Mark::default(), Sha256::new())
    }

    /// Continues an input from this position. `digest` is the hash of all bytes before it.
    pub(super) fn after(input: R, mark: &Mark, digest: Sha256) -> Self {
        Self {
            input,
            line: mark.line,
            offset: mark.offset,
            digest,
            ended: false,
        }
    }

    fn batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut text = Vec::new();
        while batch.lines.len() < MOST_OPERATIONS && bytes < MOST_BYTES {
            text.clear();
            let Some(whole) = self.read_line(&mut text)? else {
                self.ended = true;
                break;
            };
            let parsed = match std::str::from_utf8(&text) {
                _ if !whole => Err(format!("is longer than {LONGEST_LINE} bytes")),
                Err(_) => Err("is not UTF-8".to_owned()),
                Ok(text) => match bare(text) {
                    "" => continue,
                    text => line::parse(text),
                },
            };
            bytes += text.len();
            batch.lines.push(self.line);
            match parsed {
                Ok(operation) => batch.operations.push(operation),
                Err(rule) => batch.mistakes.push((self.line, rule)),
            }
        }
        batch.end = Mark {
            line: self.line,
            offset: self.offset,
            digest: self.digest.clone().finalize().into(),
        };
        Ok((!batch.lines.is_empty()).then_some(batch))
    }

    /// Reads a line. `None` means the end of the input; `Some(false)` means that the line was too long and
    /// was skipped.
    fn read_line(&mut self, text: &mut Vec<u8>) -> io::Result<Option<bool>> {
        let limit = LONGEST_LINE as u64 + 1;
        let read = self.input.by_ref().take(limit).read_until(b'\n', text)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.passed(text);
        let whole = text.ends_with(b"\n") || read <= LONGEST_LINE;
        if !whole {
            self.skip_line(text)?;
        }
        Ok(Some(whole))
    }

    /// Skips the rest of a line that is too long, piece by piece.
    fn skip_line(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        let limit = LONGEST_LINE as u64;
        loop {
            piece.clear();
            let read = self.input.by_ref().take(limit).read_until(b'\n', piece)?;
            self.passed(piece);
            if read == 0 || piece.ends_with(b"\n") {
                return Ok(());
            }
        }
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.digest.update(bytes);
    }
}

/// Returns a line without its line break, and without the byte order mark with which some editors begin a
/// file. The mark may begin any line, because files may have been concatenated.
fn bare(line: &str) -> &str {
    line.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace())
        .trim_end()
}

impl<R: BufRead> Iterator for Batches<R> {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batch().transpose();
        self.ended |= matches!(batch, None | Some(Err(_)));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8]) -> Vec<Batch> {
        Batches::new(text).collect::<io::Result<_>>().unwrap()
    }

    fn end_of(text: &[u8], line: u64) -> Mark {
        Mark {
            line,
            offset: text.len() as u64,
            digest: Sha256::digest(text).into(),
        }
    }

    fn delete(n: u64) -> String {
        format!("{{\"delete_user\":\"u{n}\"}}\n")
    }

    #[test]
    fn batches_hold_a_hundred_in_order() {
        let text: String = (1..=250).map(delete).collect();
        let batches = cut(text.as_bytes());
        let sizes: Vec<_> = batches.iter().map(|it| it.operations.len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
        assert_eq!(
            (batches[1].first_line(), batches[1].last_line()),
            (101, 200)
        );
        assert_eq!(batches[2].end, end_of(text.as_bytes(), 250));
        assert_eq!(cut(&text.as_bytes()[..delete(1).len() * 9]).len(), 1);
        assert_eq!(cut(b""), []);
        assert_eq!(cut(b"\n \r\n\n"), []);
    }

    #[test]
    fn mistakes_name_their_lines_and_refuse_their_batch_alone() {
        let mut text: String = (1..=99).map(delete).collect();
        text.push_str("\n{\"delete_user\":7}\r\n");
        text.push_str(&delete(101));
        let batches = cut(text.as_bytes());
        assert_eq!(batches.len(), 2);
        let rule = "delete_user: must be the id, a string".to_owned();
        assert_eq!(batches[0].mistakes, [(101, rule)]);
        assert_eq!(batches[1].mistakes, []);
        assert_eq!(batches[1].lines, [102]);
    }

    #[test]
    fn long_lines_and_odd_bytes_are_mistakes() {
        let mut text = vec![b'x'; LONGEST_LINE * 3];
        text.extend_from_slice(b"\n\xff\n");
        text.extend_from_slice(delete(3).trim_end().as_bytes());
        let batches = cut(&text);
        let said: Vec<_> = batches[0].mistakes.iter().map(|it| it.1.as_str()).collect();
        assert_eq!(said, ["is longer than 65536 bytes", "is not UTF-8"]);
        assert_eq!(batches[0].lines, [1, 2, 3]);
        assert_eq!(batches[0].end, end_of(&text, 3));
    }

    /// The skipped mark still counts in the byte position.
    #[test]
    fn a_byte_order_mark_is_skipped() {
        let marked = "\u{feff}".to_owned();
        for text in [
            marked.clone() + &delete(1) + &delete(2),
            marked.clone() + "\r\n" + &delete(1) + &delete(2),
            // This input is two such files, concatenated.
            marked.clone() + &delete(1) + &marked + " " + &delete(2),
        ] {
            let batches = cut(text.as_bytes());
            assert_eq!(batches.len(), 1, "{text:?}");
            assert_eq!(batches[0].mistakes, [], "{text:?}");
            assert_eq!(batches[0].operations.len(), 2, "{text:?}");
            let lines = text.lines().count() as u64;
            assert_eq!(batches[0].end, end_of(text.as_bytes(), lines));
        }
        // Inside a line the mark is a character like any other.
        let inside = delete(1).replace(':', &format!(":{marked}"));
        assert_eq!(cut(inside.as_bytes())[0].mistakes.len(), 1);
    }

    #[test]
    fn large_lines_make_small_batches() {
        let name = "x".repeat(60_000);
        let line = format!(
            "{{\"put_org\":{{\"id\":\"o\",\"name\":\"o\",\"display\":{{\"full_name\":\"{name}\"}}}}}}\n"
        );
        let batches = cut(line.repeat(40).as_bytes());
        assert!(batches.len() > 1);
        assert!(batches.iter().all(|it| it.operations.len() < 20));
        assert_eq!(batches.iter().map(|it| it.lines.len()).sum::<usize>(), 40);
    }
}
