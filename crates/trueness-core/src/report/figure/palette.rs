//! Colours: after Okabe and Ito's palette for colour-blind readers, with shades for a light and a dark page.
//!
//! Okabe and Ito's own colours (Color Universal Design, 2008) are made for large patches: their yellow, orange and
//! sky blue stand out too little from white for thin lines. The hues are kept, the lightness is adjusted until
//! every colour has a contrast of at least 3 : 1 on its page (WCAG 2.2, 1.4.11).

/// How many series have colours of their own; later ones begin again, with other marks and dashes.
pub(super) const COLOURS: usize = 7;

/// The colours of series on a light page: blue, vermilion, green, purple, orange, sky blue, grey.
pub(super) const ON_LIGHT: [&str; COLOURS] =
    ["#0072b2", "#c94f00", "#00835f", "#a8487f", "#a86f00", "#2480b5", "#5a626b"];

/// The same hues on a dark page.
#[cfg(test)]
const ON_DARK: [&str; COLOURS] = ["#56a9e8", "#f08040", "#2fbf95", "#e08fc0", "#e6a532", "#8accf2", "#a7b0ba"];

/// Custom properties for a light page.
pub(in crate::report) const LIGHT: &str = "--s1:#0072b2;--s2:#c94f00;--s3:#00835f;--s4:#a8487f;--s5:#a86f00;\
--s6:#2480b5;--s7:#5a626b;--page:#ffffff;--ink:#1d2126;--soft:#59616a;--grid:#e4e7eb;--axis:#8b939c;";

/// Custom properties for a dark page.
pub(in crate::report) const DARK: &str = "--s1:#56a9e8;--s2:#f08040;--s3:#2fbf95;--s4:#e08fc0;--s5:#e6a532;\
--s6:#8accf2;--s7:#a7b0ba;--page:#15181c;--ink:#e7e9ec;--soft:#a3acb6;--grid:#2b3138;--axis:#717b86;";

/// What the classes of a drawing mean, in terms of the custom properties.
pub(in crate::report) const RULES: &str = "\
.drawing text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
font-size:13px;fill:var(--ink);stroke:none;font-variant-numeric:tabular-nums}\
.drawing .soft{fill:var(--soft)}\
.drawing .grid{stroke:var(--grid)}.drawing .axis{stroke:var(--axis)}\
.drawing .reference{stroke:var(--soft)}\
.drawing .halo{stroke:var(--page);stroke-width:4px;stroke-linejoin:round;paint-order:stroke}\
.drawing .s1{stroke:var(--s1);fill:var(--s1)}.drawing .s2{stroke:var(--s2);fill:var(--s2)}\
.drawing .s3{stroke:var(--s3);fill:var(--s3)}.drawing .s4{stroke:var(--s4);fill:var(--s4)}\
.drawing .s5{stroke:var(--s5);fill:var(--s5)}.drawing .s6{stroke:var(--s6);fill:var(--s6)}\
.drawing .s7{stroke:var(--s7);fill:var(--s7)}.drawing .page{fill:var(--page)}";

/// The class and the light colour of the i-th series.
pub(super) fn colour(series: usize) -> (String, &'static str) {
    let i = series % COLOURS;
    (format!("s{}", i + 1), ON_LIGHT[i])
}

/// The dash pattern of the i-th series' line; `None` is a solid line.
pub(super) fn dash(series: usize) -> Option<&'static str> {
    [None, Some("7 4"), Some("2 3"), Some("10 3 2 3"), Some("5 2"), Some("1 4"), Some("12 4")]
        [(series + series / COLOURS) % COLOURS]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast as WCAG 2.2 defines them.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |colour: &str| {
            let channel = |i: usize| {
                let c = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).unwrap()) / 255.0;
                if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn property<'a>(properties: &'a str, name: &str) -> &'a str {
        let start = properties.find(&format!("{name}:")).unwrap() + name.len() + 1;
        &properties[start..start + 7]
    }

    #[test]
    fn contrast_matches_the_extremes() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    }

    #[test]
    fn every_colour_stands_out_from_its_page() {
        for (properties, colours) in [(LIGHT, ON_LIGHT), (DARK, ON_DARK)] {
            let page = property(properties, "--page");
            for (i, colour) in colours.iter().enumerate() {
                assert_eq!(property(properties, &format!("--s{}", i + 1)), *colour);
                assert!(contrast(colour, page) >= 3.0, "{colour} on {page}: {}", contrast(colour, page));
            }
            // Words need more than marks (WCAG 2.2, 1.4.3).
            assert!(contrast(property(properties, "--ink"), page) >= 7.0);
            assert!(contrast(property(properties, "--soft"), page) >= 4.5);
            assert!(contrast(property(properties, "--axis"), page) >= 3.0);
        }
    }

    #[test]
    fn neighbouring_series_differ_in_colour_and_dash() {
        for i in 0..20 {
            assert_ne!(colour(i).0, colour(i + 1).0);
            assert_ne!((colour(i).0, dash(i)), (colour(i + COLOURS).0, dash(i + COLOURS)));
        }
    }
}
