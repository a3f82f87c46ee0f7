//! Aligned text. Knows nothing of what it shows.

/// Columns as wide as their widest cell, two spaces apart, no space at a line's end.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    Columns::default().rows(rows)
}

/// A table that comes in parts: a column only grows.
#[derive(Debug, Default)]
pub(crate) struct Columns(Vec<usize>);

impl Columns {
    pub(crate) fn rows(&mut self, rows: &[Vec<String>]) -> String {
        let widths = &mut self.0;
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                let wide = cell.chars().count();
                match widths.get_mut(at) {
                    Some(width) => *width = wide.max(*width),
                    None => widths.push(wide),
                }
            }
        }
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&*widths) {
                line.push_str(&format!("{:width$}  ", one_line(cell)));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `name  value` lines; rows without a value are left out.
pub(crate) fn fields<const N: usize>(rows: [(&str, String); N]) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    columns(&rows)
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
}
