//! Aligns text in columns. It knows nothing of what it shows.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The width that a table is fitted into, in terminal cells.
const WIDTH: usize = 80;
/// No column is made narrower than its longest piece or this many terminal cells, whichever is less.
const NARROW: usize = 20;
const BETWEEN: usize = 2;

/// Makes columns as wide as their widest cell, two spaces apart, without trailing spaces. In a table that
/// is too wide, cells of the widest columns continue on the next line.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    Columns::default().rows(rows).concat()
}

/// A table that is printed in parts. The known widths of a column only grow, and the columns are fitted
/// anew for each part.
#[derive(Debug, Default)]
pub(crate) struct Columns(Vec<Column>);

#[derive(Debug, Default, Clone, Copy)]
struct Column {
    widest: usize,
    /// The width of the longest piece that a cell may be broken into.
    longest: usize,
}

impl Columns {
    /// Returns the lines of each row.
    pub(crate) fn rows(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                if self.0.len() <= at {
                    self.0.push(Column::default());
                }
                if let Some(column) = self.0.get_mut(at) {
                    let pieces = pieces(cell).map(|it| it.trim_end().width());
                    column.widest = column.widest.max(one_line(cell).width());
                    column.longest = column.longest.max(pieces.max().unwrap_or(0));
                }
            }
        }
        let widths = self.fitted();
        rows.iter().map(|row| lines(row, &widths)).collect()
    }

    /// Returns the fitted widths. The widest column is shrunk first.
    fn fitted(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.0.iter().map(|it| it.widest).collect();
        let between = BETWEEN * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + between > WIDTH {
            let columns = widths.iter_mut().zip(&self.0);
            let may_shrink = columns.filter(|(width, it)| **width > it.longest.min(NARROW));
            match may_shrink.max_by_key(|(width, _)| **width) {
                Some((width, _)) => *width -= 1,
                None => break,
            }
        }
        widths
    }
}

fn lines(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<Vec<String>> = row
        .iter()
        .zip(widths)
        .map(|(it, to)| wrap(it, *to))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for at in 0..height {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(at).map_or("", String::as_str);
            line.push_str(part);
            // The padding uses the display width, not the number of characters.
            let to = width.saturating_sub(part.width()).min(WIDTH);
            line.push_str(&" ".repeat(to + BETWEEN));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Breaks a cell into lines, at least one: between pieces, and within a piece that is too long.
fn wrap(cell: &str, width: usize) -> Vec<String> {
    let cell = one_line(cell);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for piece in pieces(&cell) {
        if !line.is_empty() && line.width() + piece.trim_end().width() > width {
            lines.push(std::mem::take(&mut line));
        }
        for c in piece.chars() {
            let full = line.width() + c.width().unwrap_or(0) > width;
            if full && !line.is_empty() && c != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Splits a cell after the characters at which it may be broken.
fn pieces(cell: &str) -> impl Iterator<Item = &str> {
    cell.split_inclusive([' ', ',', '/', '='])
}

/// Formats `name  value` lines. Rows without a value are left out, and no value is broken, because the
/// user may want to copy it.
pub(crate) fn fields<const N: usize>(rows: [(&str, String); N]) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    pairs(&rows)
}

/// Formats names and values, none of them broken.
pub(crate) fn pairs(rows: &[Vec<String>]) -> String {
    let wide = rows.iter().filter_map(|row| Some(row.first()?.width()));
    let widths = [wide.max().unwrap_or(0), usize::MAX];
    rows.iter().map(|row| lines(row, &widths)).collect()
}

/// Formats a note on the row above, on as many lines as it needs.
pub(crate) fn note(text: &str) -> String {
    let indent = 4;
    let lines = wrap(text, WIDTH - indent).into_iter();
    lines
        .map(|line| format!("{:indent$}{line}\n", ""))
        .collect()
}

fn one_line(cell: &str) -> String {
    cell.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned() {
        let rows = [["ID", "NAME"], ["7", "ci"], ["1042", "laptop"]]
            .map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), "ID    NAME\n7     ci\n1042  laptop\n");
        assert_eq!(
            fields([
                ("id", "7".into()),
                ("revoked", String::new()),
                ("name", "a\nb".into())
            ]),
            "id    7\nname  a\\nb\n"
        );
    }

    fn rows<const N: usize>(rows: &[[&str; N]]) -> Vec<Vec<String>> {
        let row = |row: &[&str; N]| row.iter().map(|&cell| cell.to_owned()).collect();
        rows.iter().map(row).collect()
    }

    #[test]
    fn wide_characters_take_two_cells() {
        let table = rows(&[
            ["NAME", "ID"],
            ["山田", "7"],
            ["Zoe\u{308}", "8"],
            ["🦀", "9"],
        ]);
        assert_eq!(
            columns(&table),
            "NAME  ID\n山田  7\nZoe\u{308}   8\n🦀    9\n"
        );
    }

    #[test]
    fn what_is_too_wide_goes_on_in_the_next_line() {
        let long = "the repo is the owner's own: false; their role in its org: write; they may write: true";
        let path = "acme/".repeat(30);
        let table = rows(&[
            ["1", "2027-01-31T12:00:00Z", long],
            ["2", "never", "short"],
            ["3", "never", &path],
            ["4", "never", &"x".repeat(90)],
            ["5", "never", &"山".repeat(60)],
        ]);
        let text = columns(&table);
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(
            text.starts_with("1  2027-01-31T12:00:00Z  the repo is"),
            "{text}"
        );
        let rest = " ".repeat(25);
        let second = text.lines().nth(1).unwrap();
        assert!(
            second.starts_with(&rest) && !second.starts_with(&format!("{rest} ")),
            "{text}"
        );
        // The wrapped text has lost no character.
        let whole = |text: &str| text.split_whitespace().collect::<String>();
        for cell in table.iter().flatten() {
            assert!(whole(&text).contains(&whole(cell)), "{cell}");
        }
        assert_eq!(text.matches("acme/").count(), 30);
        assert_eq!(text.matches('x').count(), 90);
        assert_eq!(text.matches('山').count(), 60);
        // A table that can't be made narrower is shown as it is.
        let many = rows(&[["2027-01-31T12:00:00Z"; 5]]);
        assert_eq!(columns(&many).lines().count(), 1);
    }

    #[test]
    fn no_field_is_broken() {
        let long = "x".repeat(200);
        assert_eq!(fields([("id", long.clone())]), format!("id  {long}\n"));
    }
}
