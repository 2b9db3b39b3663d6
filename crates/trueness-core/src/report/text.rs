//! Text from outside, made safe to show: no control characters, known widths on a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with characters replaced by U+FFFD that a terminal would obey, that XML forbids, or that turn the
/// writing direction of what follows. Line breaks and tabs stay.
pub(super) fn clean(text: &str) -> String {
    let forbidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    text.replace("\r\n", "\n").chars().map(|c| if forbidden(c) { '\u{fffd}' } else { c }).collect()
}

/// The text cleaned and on one line, white space folded.
pub(super) fn line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Pieces of a text, in order: `(true, …)` for what stands between backquotes, `(false, …)` for the rest. A
/// backquote without its partner is an ordinary character.
pub(super) fn code_spans(text: &str) -> Vec<(bool, &str)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('`') {
        let Some(length) = rest[open + 1..].find('`') else { break };
        pieces.push((false, &rest[..open]));
        pieces.push((true, &rest[open + 1..open + 1 + length]));
        rest = &rest[open + length + 2..];
    }
    pieces.push((false, rest));
    pieces.retain(|(_, piece)| !piece.is_empty());
    pieces
}

/// The columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to a width with an ellipsis, if it is longer.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        out.push(c);
    }
    out.push('…');
    out
}

/// The text with spaces up to a width, at its right or at its left.
pub(super) fn pad(text: &str, columns: usize, right: bool) -> String {
    let space = " ".repeat(columns.saturating_sub(width(text)));
    if right { space + text } else { text.to_owned() + &space }
}

/// The text in lines of at most `columns`, broken at white space; a longer word is broken within.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        if !current.is_empty() && width(&current) + 1 + width(&word) > columns {
            lines.push(std::mem::take(&mut current));
        }
        while width(&word) > columns {
            let mut end = 0;
            let mut used = 0;
            for (i, c) in word.char_indices() {
                used += c.width().unwrap_or(0);
                if used > columns {
                    break;
                }
                end = i + c.len_utf8();
            }
            let rest = word.split_off(end);
            lines.push(std::mem::replace(&mut word, rest));
        }
        if !current.is_empty() && !word.is_empty() {
            current.push(' ');
        }
        current.push_str(&word);
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(width("日本"), 4);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(pad("é", 3, true), "  é");
    }

    #[test]
    fn escapes_and_direction_overrides_are_replaced() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\r\nd"), "a\u{fffd}[31mb\u{fffd}c\nd");
        assert_eq!(line(" a \n\t b "), "a b");
    }

    #[test]
    fn backquotes_mark_code() {
        assert_eq!(code_spans("a `b` c`"), [(false, "a "), (true, "b"), (false, " c`")]);
    }

    proptest! {
        #[test]
        fn wrapping_keeps_the_letters_and_the_width(text in "[a-z日 ]{0,80}", columns in 8usize..40) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|l| width(l) <= columns));
            let letters = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
