//! Reports: what the renderers make of one rich report, and what they do with hostile input.

use insta::assert_snapshot;
use proptest::prelude::*;
use trueness_core::report::{
    self, Attachment, Axis, Best, Block, Bytes, Cell, Figure, Image, Kind, Media, Outcome, Report, Samples, Series,
    Table, Verdict,
};
use trueness_core::{Estimate, Measure};

fn interval(value: f64, half: f64) -> Estimate {
    Estimate::interval(value, value - half, value + half, 10_000, "bootstrap over sentences")
}

/// An 8 × 8 grey ramp as PNG, written by Python's zlib.
const PNG: [u8; 77] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 225, 100, 225,
    87, 0, 0, 0, 20, 73, 68, 65, 84, 120, 218, 99, 96, 80, 241, 200, 153, 176, 229, 198, 31, 6, 202, 24, 0, 63, 68, 31,
    129, 128, 57, 60, 21, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

/// A report with every kind of block, of invented numbers.
fn sample() -> Report {
    let models = ["lstm, acceptance 0.2", "lstm, acceptance 0.5", "lstm, raw samples", "transformer"];
    let values = [(0.132, 0.021), (0.187, 0.019), (0.341, 0.02), (0.213, 0.02)];
    let forest = Figure::forest(
        "dd",
        "Distributional discrepancy",
        "discrepancy",
        models.iter().zip(values).map(|(name, (v, h))| (*name, interval(v, h))),
    )
    .caption("Further left is closer to real text. The dashed line is real text against real text, the floor.")
    .reference_x(0.031, "real against real");

    let grouped = Figure::new("bleu", "BLEU-4 on two corpora")
        .caption("Each row is a model; marks are means over seeds with their intervals.")
        .x(Axis::new("BLEU-4"))
        .y(Axis::categories("", ["lstm", "transformer", "not run"]))
        .series(Series::new("COCO", Kind::Points).row(0, &interval(0.41, 0.015)).row(1, &interval(0.44, 0.012)))
        .series(Series::new("EMNLP", Kind::Points).row(0, &interval(0.36, 0.03)).row(1, &interval(0.33, 0.02)));

    let curve = |offset: f64, slope: f64| {
        move |i: u32| {
            let n = 100.0 * 2f64.powi(i as i32);
            let y = offset + slope / n.sqrt();
            (n, Estimate::normal(y, 0.4 / n.sqrt(), 5, "seeds"))
        }
    };
    let series = |name: &str, offset, slope| {
        (0..9).map(curve(offset, slope)).fold(Series::new(name, Kind::Band), |s, (n, e)| s.estimate(n, &e))
    };
    let lines = Figure::new("curve", "Discrepancy by sample size")
        .caption(
            "Each line is a model, its band the 90 % interval over seeds. Flat means that more text would not help.",
        )
        .x(Axis::new("sentences").log())
        .y(Axis::new("discrepancy"))
        .series(series("raw samples", 0.33, 2.0))
        .series(series("acceptance 0.5", 0.18, 1.2))
        .series(series("acceptance 0.2", 0.12, 0.9))
        .reference_y(0.03, "floor");

    let calibration = Figure::new("calibration", "Calibration of the discriminator")
        .caption("On the diagonal, a score of 0.7 means that 7 of 10 such sentences are real.")
        .x(Axis::new("predicted probability").range(0.0, 1.0))
        .y(Axis::new("share of real sentences").range(0.0, 1.0))
        .series((0..10).fold(Series::new("discriminator", Kind::Line), |s, i| {
            let x = f64::from(i) / 10.0 + 0.05;
            s.estimate(x, &Estimate::normal(x + 0.08 * (6.3 * x).sin(), 0.02, 500, "Wilson"))
        }))
        .diagonal("perfect calibration")
        .square();

    let bars = Figure::new("lengths", "Sentence lengths")
        .x(Axis::categories("length in words", ["1–5", "6–10", "11–20", "21–40", "over 40"]))
        .y(Axis::new("share of sentences").unit("%"))
        .series(Series::new("real", Kind::Bars).points([(0.0, 4.0), (1.0, 31.0), (2.0, 48.0), (3.0, 15.0), (4.0, 2.0)]))
        .series((0..5).fold(Series::new("lstm", Kind::Bars), |s, i| {
            s.estimate(f64::from(i), &interval([7.0, 38.0, 44.0, 10.0, 1.0][i as usize], 1.5))
        }));

    let loss = Figure::new("loss", "Training loss").x(Axis::new("step")).y(Axis::new("loss").unit("nats")).series(
        Series::new("", Kind::Line).points((0..2000).map(|i| {
            let t = f64::from(i);
            (t, 3.0 + 4.0 * (-t / 300.0).exp() + 0.2 * (t * 0.7).sin())
        })),
    );

    let table = Table::new("Discrepancy and quality, ours beside the paper's")
        .words("Model")
        .ranked("Discrepancy", Best::Lowest)
        .numbers("The paper's")
        .ranked("BLEU-4", Best::Highest)
        .numbers("KN perplexity")
        .numbers("Sentences kept")
        .row([
            "transformer".into(),
            interval(0.213, 0.02).into(),
            Cell::Missing,
            interval(0.401, 0.012).into(),
            interval(38.1, 1.4).into(),
            Estimate::count(10_000).into(),
        ])
        .row([
            "lstm, raw".into(),
            interval(0.341, 0.02).into(),
            Estimate::exact(0.36, "read from table 2").into(),
            interval(0.392, 0.014).into(),
            interval(52.3, 2.2).into(),
            Estimate::count(10_000).into(),
        ])
        .row([
            "lstm, `acceptance = 0.5`".into(),
            interval(0.187, 0.019).into(),
            Estimate::exact(0.2, "read from table 2").into(),
            interval(0.31, 0.02).into(),
            Estimate::missing("the model was not trained").into(),
            Estimate::count(5_012).into(),
        ])
        .note("Perplexity is under a Kneser–Ney trigram model of the real text.");

    Report::new("Adding a filter based on the discriminator")
        .lead("Filtering brings the LSTM's samples closer to real text, from 0.34 to 0.19, and costs variety.")
        .verdict(
            Verdict::new(
                "filter-lowers-discrepancy",
                "Keeping what the discriminator takes for real brings the model's samples closer to real text.",
                Outcome::Holds,
            )
            .source("abstract")
            .detail("filtered is lower than raw by 0.15, in each of 3 seeds")
            .figure(Measure::new("dd/filtered/0.5", interval(0.187, 0.019)))
            .figure(Measure::new("dd/raw", interval(0.341, 0.02))),
        )
        .verdict(
            Verdict::new("diversity-kept", "The filter does not cost diversity.", Outcome::Fails)
                .source("section 5.2")
                .detail("self-BLEU-4 rises by 0.08 [0.05, 0.11]"),
        )
        .verdict(Verdict::new("bigger-gap", "The gap grows with the size of the corpus.", Outcome::Inconclusive))
        .verdict(Verdict::new("human", "People prefer the filtered samples.", Outcome::NotMeasured))
        .heading("Discrepancy")
        .text(
            "A classifier is trained to tell candidate from real; `0` means that it cannot. Half of the sentences \
               train it, the other half measure it.",
        )
        .figure(forest)
        .table(table)
        .heading("Quality")
        .figure(grouped)
        .figure(lines)
        .subheading("The discriminator")
        .figure(calibration)
        .warning("212 of the LSTM's sentences stand in the real text word for word (floor: 3).")
        .heading("Texts")
        .samples(
            Samples::new("What the filter rejects")
                .labelled("rejected", "a a man in a in a kitchen .")
                .labelled("kept", "a man is standing in a kitchen with a dog <b>and</b> a cat ."),
        )
        .figure(bars)
        .figure(loss)
        .image(Image {
            id: "ramp".to_owned(),
            caption: "A grey ramp".to_owned(),
            alt: "Eight shades of grey from black to white".to_owned(),
            media: Media::Png,
            bytes: Bytes(PNG.to_vec()),
            width: Some(128),
        })
        .heading("Settings")
        .key_values([("generator", "LSTM, 128 units"), ("acceptance", "`[0.8, 0.5, 0.2]`")])
        .code("trueness run text/filter --preset laptop")
        .attachment(Attachment::text("kept.txt", "the sentences that were kept", "a man .\n"))
        .info("All sentences were lowercased.")
        .provenance("command", "`trueness run text/filter --preset laptop --seed 0`")
        .provenance("seeds", "0, 1, 2")
        .provenance("version", "trueness 0.1.0")
        .provenance("machine", "2 cores, x86-64, AVX-512")
        .provenance("time", "2026-11-23T10:04:11Z, 8 min")
}

/// The page without its style, in which a snapshot would hold nothing that a person could check.
fn without_style(html: &str) -> String {
    let (before, rest) = html.split_once("<style>").unwrap_or((html, ""));
    let (_, after) = rest.split_once("</style>").unwrap_or_default();
    format!("{before}{after}").replace("><", ">\n<")
}

#[test]
fn html_of_a_rich_report() {
    assert_snapshot!(without_style(&report::html(&sample())));
}

#[test]
fn markdown_of_a_rich_report() {
    assert_snapshot!(report::markdown(&sample()));
}

#[test]
fn terminal_of_a_rich_report() {
    assert_snapshot!(report::terminal(&sample(), 100, false));
}

#[test]
fn a_narrow_terminal_is_not_overrun() {
    let text = report::terminal(&sample(), 50, false);
    for line in text.lines().filter(|line| !line.contains("trueness run")) {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 50, "{line}");
    }
    assert_snapshot!(text);
}

#[test]
fn colours_add_nothing_but_colours() {
    let coloured = report::terminal(&sample(), 100, true);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", report::terminal(&sample(), 100, false));
}

#[test]
fn reports_survive_json_and_render_the_same_twice() {
    let report = sample();
    let back: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(back, report);
    assert_eq!(report::html(&back), report::html(&report));
    assert_eq!(report::files(&back), report::files(&report));
}

#[test]
fn the_page_asks_for_nothing_outside_itself() {
    let html = report::html(&sample());
    for address in ["src=\"", "href=\"", "url("] {
        for (at, _) in html.match_indices(address) {
            let target = &html[at + address.len()..];
            assert!(target.starts_with("data:") || target.starts_with('#'), "{}", &target[..40]);
        }
    }
    assert!(!html.contains("<script") && !html.contains("@import"));
}

#[test]
fn ids_on_a_page_are_unique_and_references_resolve() {
    let html = report::html(&sample());
    let values = |attribute: &str| -> Vec<String> {
        let pattern = format!(" {attribute}=\"");
        html.match_indices(&pattern)
            .map(|(at, _)| html[at + pattern.len()..].split('"').next().unwrap().to_owned())
            .collect()
    };
    let ids = values("id");
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    let links = values("href").into_iter().filter_map(|h| h.strip_prefix('#').map(str::to_owned));
    let labels =
        values("aria-labelledby").into_iter().flat_map(|l| l.split(' ').map(str::to_owned).collect::<Vec<_>>());
    for target in links.chain(labels) {
        assert!(unique.contains(&target), "{target}");
    }
}

#[test]
fn every_file_that_markdown_links_to_is_given() {
    let files: Vec<String> = report::files(&sample()).into_iter().map(|(path, _)| path).collect();
    let markdown = report::markdown(&sample());
    let links = markdown.match_indices("](").map(|(at, _)| markdown[at + 2..].split(')').next().unwrap());
    let links: Vec<&str> = links.filter(|link| link.contains('/')).collect();
    assert_eq!(links.len(), 14);
    for link in links {
        assert!(files.iter().any(|file| file == link), "{link}");
    }
}

/// Strings that try to leave their place, and any others.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("</script><script>alert(1)</script>".to_owned()),
        Just("\"><img src=x onerror=alert(1)>".to_owned()),
        Just("]]>--><!--&amp;'\"`|\\*_[x](javascript:y)".to_owned()),
        Just("\u{1b}[2J\u{0}\u{202e}\u{fffe}\r\n| - #".to_owned()),
        Just("</style></svg></title>".to_owned()),
    ]
}

fn any_figure() -> impl Strategy<Value = Figure> {
    let kind = prop_oneof![Just(Kind::Line), Just(Kind::Points), Just(Kind::Bars), Just(Kind::Band)];
    let number = || prop_oneof![any::<f64>(), -3.0..3.0f64, Just(0.0), Just(f64::NAN), Just(f64::INFINITY)];
    let end = move || proptest::option::of(number());
    let point = (number(), number(), end(), end()).prop_map(|(x, y, low, high)| report::Point { x, y, low, high });
    let series = (hostile(), kind, proptest::collection::vec(point, 0..6)).prop_map(|(name, kind, points)| Series {
        name,
        kind,
        points,
    });
    let axis = || {
        (hostile(), any::<bool>(), proptest::option::of((number(), number())), proptest::option::of(Just(()))).prop_map(
            |(label, log, range, named)| Axis {
                label: label.clone(),
                scale: if log { report::Scale::Log } else { report::Scale::Linear },
                categories: named.map(|()| vec![label, "b".to_owned()]),
                range,
                ..Axis::default()
            },
        )
    };
    (hostile(), axis(), axis(), proptest::collection::vec(series, 0..4), number(), any::<bool>()).prop_map(
        |(text, x, y, series, at, square)| Figure {
            x,
            y,
            series,
            square,
            ..Figure::new(text.clone(), text.clone())
                .caption(text.clone())
                .reference_x(at, text.clone())
                .reference_y(at, text.clone())
                .diagonal(text)
        },
    )
}

/// Whether a text shows a number that is none. The words are looked for as numbers print them.
fn shows_no_number(text: &str) -> bool {
    let no_number = |word: &str| matches!(word, "NaN" | "inf" | "-inf" | "−inf");
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '−')).any(no_number)
}

#[test]
fn lines_and_bands_are_broken_where_a_value_is_missing() {
    let point = |i: usize| {
        let y = if i == 2 { f64::NAN } else { 1.0 + i as f64 };
        report::Point { x: i as f64, y, low: Some(y - 0.5), high: Some(y + 0.5) }
    };
    for (kind, paths) in [(Kind::Line, 1), (Kind::Band, 2)] {
        let series = Series { points: (0..5).map(point).collect(), ..Series::new("flux", kind) };
        let svg = report::svg(&Figure::new("flux", "Flux").series(series));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let strokes = |of: roxmltree::Node<'_, '_>| of.attribute("d").map(|d| d.matches('M').count());
        let lines = document.descendants().filter(|node| node.attribute("stroke-linejoin").is_some());
        assert_eq!(lines.filter_map(strokes).collect::<Vec<_>>(), [2], "{svg}");
        let bands = document.descendants().filter(|node| node.attribute("fill-opacity") == Some(".16"));
        assert_eq!(bands.filter_map(strokes).collect::<Vec<_>>(), vec![2; paths - 1], "{svg}");
    }
}

proptest! {
    #[test]
    fn any_figure_is_well_formed(figure in any_figure()) {
        let svg = report::svg(&figure);
        let document = roxmltree::Document::parse(&svg);
        prop_assert!(document.is_ok(), "{:?}\n{}", document.err(), svg);
        let document = document.unwrap();
        prop_assert_eq!(document.root_element().attribute("role"), Some("img"));
        for node in document.descendants().filter(|n| n.is_element()) {
            prop_assert!(!["script", "img", "image", "a"].contains(&node.tag_name().name()));
            for attribute in node.attributes().filter(|a| a.name() != "aria-labelledby" && a.name() != "id") {
                prop_assert!(!shows_no_number(attribute.value()), "{}", attribute.value());
            }
        }
        prop_assert_eq!(&svg, &report::svg(&figure));
    }

    #[test]
    fn hostile_text_stays_text(text in hostile(), x in any::<f64>(), figure in any_figure()) {
        let estimate = || Estimate::interval(x, -x, x * 2.0, 3, text.clone()).unit(text.clone());
        let report = Report::new(text.clone())
            .lead(text.clone())
            .verdict(
                Verdict::new(text.clone(), text.clone(), Outcome::Fails)
                    .source(text.clone())
                    .detail(text.clone())
                    .figure(Measure::new(text.clone(), estimate()).of(text.clone())),
            )
            .heading(text.clone())
            .text(text.clone())
            .code(text.clone())
            .table(
                Table::new(text.clone()).words(text.clone()).ranked(text.clone(), Best::Lowest).note(text.clone())
                    .row([text.clone().into(), estimate().into()])
                    .row([Cell::Code(text.clone()), estimate().into()]),
            )
            .figure(figure)
            .key_values([(text.clone(), text.clone())])
            .samples(Samples::new(text.clone()).labelled(text.clone(), text.clone()))
            .attachment(Attachment::text(text.clone(), text.clone(), text.clone()))
            .block(Block::Attachment(Attachment {
                mime: text.clone(),
                ..Attachment::text(text.clone(), text.clone(), text.clone())
            }))
            .info(text.clone())
            .provenance(text.clone(), text.clone());
        let html = report::html(&report);
        // Without its doctype, its void elements closed and nothing else changed, the page is well-formed XML:
        // no text has opened or closed an element or an attribute.
        let xml = html.replacen("<!DOCTYPE html>", "", 1);
        let closed = close_void_elements(&xml);
        let document = roxmltree::Document::parse(&closed);
        prop_assert!(document.is_ok(), "{:?}", document.err());
        for node in document.unwrap().descendants().filter(|n| n.is_element()) {
            prop_assert!(!["script", "img"].contains(&node.tag_name().name()));
            prop_assert!(node.attributes().all(|a| !a.name().starts_with("on")));
        }
        let markdown = report::markdown(&report);
        let terminal = report::terminal(&report, 60, false);
        prop_assert!(!terminal.chars().any(|c| c.is_control() && c != '\n'));
        prop_assert!(!markdown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
}

/// Closes `meta` and `img`, which HTML leaves open.
fn close_void_elements(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = ["<meta ", "<img "].iter().filter_map(|tag| rest.find(tag)).min() {
        let end = rest[at..].find('>').map_or(rest.len(), |length| at + length);
        out.push_str(&rest[..end]);
        out.push('/');
        rest = &rest[end..];
    }
    out + rest
}

/// The same figures, captions and numbers with plain words in them show no number that is none anywhere.
#[test]
fn values_that_are_not_finite_are_nowhere_shown() {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let table = bad.iter().fold(Table::new("t").words("w").numbers("n"), |table, x| {
        let raw = Estimate { value: Some(*x), low: Some(*x), high: Some(*x), ..Estimate::count(3) };
        table.row(["a".into(), raw.into()])
    });
    let points = bad.iter().map(|x| report::Point { x: *x, y: *x, low: Some(*x), high: Some(*x) }).collect();
    let upright = Figure::new("f", "t").series(Series { name: "s".to_owned(), kind: Kind::Band, points });
    let sideways = Figure { y: Axis::categories("", ["a"]), id: "g".to_owned(), ..upright.clone() };
    let report = Report::new("r").table(table).figure(upright).figure(sideways);
    for text in [report::html(&report), report::markdown(&report), report::terminal(&report, 80, true)] {
        assert!(!shows_no_number(&text), "{text}");
    }
    for (_, bytes) in report::files(&report) {
        assert!(!shows_no_number(&String::from_utf8(bytes).unwrap()));
    }
}
