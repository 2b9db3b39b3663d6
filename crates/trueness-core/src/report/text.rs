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

/// Pieces of a text, in order: `(true, …)` for what stands between backquotes, `(false, …)` for the rest. As in
/// Markdown, a run of backquotes ends at the next run of the same length, and a space at both ends is no part of
/// the code, so that code may itself hold backquotes. A run without its partner is ordinary text.
pub(super) fn code_spans(text: &str) -> Vec<(bool, &str)> {
    let mut pieces = Vec::new();
    let (mut begun, mut at) = (0, 0);
    while let Some((open, length)) = next_run(text, at) {
        at = open + length;
        let mut search = at;
        while let Some((close, other)) = next_run(text, search) {
            search = close + other;
            if other == length {
                pieces.push((false, &text[begun..open]));
                pieces.push((true, unpadded(&text[at..close])));
                (begun, at) = (search, search);
                break;
            }
        }
    }
    pieces.push((false, &text[begun..]));
    pieces.retain(|(_, piece)| !piece.is_empty());
    pieces
}

/// The next run of backquotes: where it begins, and how many they are.
fn next_run(text: &str, from: usize) -> Option<(usize, usize)> {
    let start = from + text[from..].find('`')?;
    let length = text[start..].bytes().take_while(|&byte| byte == b'`').count();
    Some((start, length))
}

fn unpadded(code: &str) -> &str {
    let inner = code.strip_prefix(' ').and_then(|code| code.strip_suffix(' '));
    inner.filter(|_| !code.trim().is_empty()).unwrap_or(code)
}

/// Text as a code span within a report's prose, shown as it is whatever backquotes it holds: the fence is longer
/// than any run of backquotes within.
pub fn code(text: &str) -> String {
    let text = line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// The text on one line without the marks of its code spans.
pub(super) fn unmarked(text: &str) -> String {
    code_spans(&line(text)).into_iter().map(|(_, piece)| piece).collect()
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
        assert_eq!(code_spans("`` `the`` x"), [(true, " `the"), (false, " x")]);
        assert_eq!(code_spans("``` `` `` the ``` and"), [(true, "`` `` the"), (false, " and")]);
        assert_eq!(code_spans("``a` b"), [(false, "``a` b")]);
        assert_eq!(code(""), "`  `");
    }

    proptest! {
        #[test]
        fn code_is_read_back_whatever_backquotes_it_holds(text in "[a`| ]{1,12}") {
            let text = line(&text);
            prop_assume!(!text.is_empty());
            let prose = format!("too many {}, too few {}.", code(&text), code("b"));
            let expected = [(false, "too many "), (true, text.as_str()), (false, ", too few "), (true, "b"), (false, ".")];
            prop_assert_eq!(code_spans(&prose), expected);
            prop_assert_eq!(unmarked(&prose), format!("too many {text}, too few b."));
        }

        #[test]
        fn wrapping_keeps_the_letters_and_the_width(text in "[a-z日 ]{0,80}", columns in 8usize..40) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|l| width(l) <= columns));
            let letters = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
