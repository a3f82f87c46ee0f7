//! This file decides what a text that people read may hold: names of tokens, full names, and printed
//! forms.

/// Whether a character is invisible or changes how others are shown: control characters, marks of the
/// writing direction, zero-width characters. Two texts that look alike could differ in them, and a text
/// could be shown reversed.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The rule for every text that people read, in words that follow the field's name.
pub const RULE: &str = "must not hold control characters, nor ones that show nothing or change the \
                        direction of writing";

/// Whether a text keeps [`RULE`].
pub fn is_shown_as_it_is(text: &str) -> bool {
    !text.chars().any(is_unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_shown_and_what_deceives_them_is_not() {
        for text in [
            "",
            "Ada Lovelace",
            "Zoë",
            "Лев",
            "محمد",
            "דוד",
            "山田",
            "a 🎉 ❤\u{fe0f}",
        ] {
            assert!(is_shown_as_it_is(text), "{text}");
        }
        for c in [
            '\0',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{2028}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            let text = format!("a{c}b");
            assert!(!is_shown_as_it_is(&text), "{}", c.escape_unicode());
        }
    }
}
