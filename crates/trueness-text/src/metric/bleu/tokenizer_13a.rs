//! The tokenizer "13a" of the WMT evaluations.

use regex::Regex;
use std::sync::LazyLock;

/// The rules in order: what to find, and what to put in its place.
static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        // Symbols stand alone: all ASCII punctuation but the apostrophe, comma, hyphen and full stop.
        (r"([\x20-&(-+/:-@\[-`{-~])", " ${1} "),
        // A full stop or comma stands alone unless a digit is before it …
        (r"([^0-9])([.,])", "${1} ${2} "),
        // … and unless a digit is after it.
        (r"([.,])([^0-9])", " ${1} ${2}"),
        // A hyphen stands alone after a digit.
        (r"([0-9])(-)", "${1} ${2} "),
    ]
    .into_iter()
    .filter_map(|(pattern, put)| Some((Regex::new(pattern).ok()?, put)))
    .collect()
});

/// The tokens of one segment as the WMT script `mteval-v13a` and sacreBLEU's `13a` cut them, joined by
/// single spaces: four HTML entities are resolved, and ASCII punctuation is split off.
pub fn tokenize_13a(segment: &str) -> String {
    let segment = segment.trim_end_matches(is_space);
    let mut line = segment.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if line.contains('&') {
        for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            line = line.replace(entity, character);
        }
    }
    line = format!(" {line} ");
    for (pattern, put) in RULES.iter() {
        line = pattern.replace_all(&line, *put).into_owned();
    }
    words(&line).collect::<Vec<_>>().join(" ")
}

/// The words of a line between white space, as Python's `split` sees it, so that values equal
/// sacreBLEU's on odd input too.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_space).filter(|word| !word.is_empty())
}

/// White space in Python's sense: Unicode's, and the four ASCII separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_compile() {
        assert_eq!(RULES.len(), 4);
    }

    #[test]
    fn punctuation_is_split_but_not_in_numbers() {
        assert_eq!(tokenize_13a("It's 3.5, not 1,000-odd (yet)."), "It's 3.5 , not 1,000 - odd ( yet ) .");
        assert_eq!(tokenize_13a("a&amp;b &lt;x&gt; <skipped>"), "a & b < x >");
        assert_eq!(tokenize_13a("  "), "");
    }
}
