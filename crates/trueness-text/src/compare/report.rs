//! The comparison's report: who is closer, by how much, what gives each candidate away.

use super::dd::{CALIBRATION, Named};
use super::knobs::CompareKnobs;
use super::rank::{Ranked, difference, rank, superlative};
use super::subjects;
use crate::metric;
use crate::metric::discrepancy::BINS;
use trueness_core::report::{Axis, Cell, Figure, Kind, Report, Series, Table, code, format_estimate};
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Findings};

pub(super) fn write(knobs: &CompareKnobs, findings: &Findings, mut report: Report) -> Report {
    let (real, names) = subjects(knobs);
    let by = knobs.ranked_by();
    let Some(seed) = findings.first() else { return report };
    let ranked = rank(by, &names, seed);
    let title = metric::card(by).map_or(by, |card| card.title);
    report = report.lead(lead(by, title, &real, &ranked, seed));
    for text in telling(&names, &real, seed) {
        report = report.warning(text);
    }
    if ranked.len() > 1 {
        report = report.table(closeness(by, title, &ranked, seed));
    }
    let rows: Vec<(String, Estimate)> = ranked.iter().map(|r| (r.subject.clone(), r.estimate.clone())).collect();
    if !rows.is_empty() {
        let mut figure = Figure::forest(format!("rank-{by}"), capital(title), title.to_owned(), rows)
            .caption("Each candidate's value with its 90 % interval. Candidates whose intervals overlap may be too close to call; the table of differences decides.");
        if let Some(floor) = seed.measure("dd-floor", &real).filter(|_| by == "dd").and_then(|m| m.estimate.value) {
            figure = figure.reference_x(floor, "real against real");
        }
        report = report.figure(figure);
    }
    report = main_table(&names, &real, seed, report);
    for (i, subject) in names.iter().enumerate() {
        let named: Vec<Named> = seed.kept(&format!("candidate-{}", i + 1), "giveaways").unwrap_or_default();
        let list = |more: bool| {
            let texts: Vec<String> =
                named.iter().filter(|n| (n.z > 0.0) == more).take(5).map(|n| code(&n.text)).collect();
            let many = if more { "too many" } else { "too few" };
            (!texts.is_empty()).then(|| format!("{many} {}", texts.join(", ")))
        };
        if !named.is_empty() {
            let found: Vec<String> = [list(true), list(false)].into_iter().flatten().collect();
            report = report.text(format!("What gives {subject} away: {}.", found.join("; ")));
        }
    }
    for named in names.iter().enumerate() {
        report = details(named, seed, report);
    }
    report = curves(&names, &real, seed, report);
    report = calibration(&names, seed, report);
    let mut signatures =
        Table::new("Signatures: everything that a value depends on").words("measure").words("of").words("signature");
    for measure in &seed.measures {
        signatures = signatures.row([
            Cell::Code(measure.name.clone()),
            Cell::Text(measure.subject.clone()),
            Cell::Code(measure.signature.clone()),
        ]);
    }
    report.heading("Signatures").table(signatures)
}

fn lead(by: &str, title: &str, real: &str, ranked: &[Ranked], seed: &SeedFindings) -> String {
    let floor = if by == "dd" {
        seed.measure("dd-floor", real).map_or(String::new(), |m| {
            let (n, shown) = (m.estimate.n, format_estimate(&m.estimate));
            format!(" Real against real: {shown} at {n} sentences each (0: no classifier tells them apart).")
        })
    } else {
        seed.measure(by, &halves(real))
            .map_or(String::new(), |m| format!(" Real against real, in halves: {}.", format_estimate(&m.estimate)))
    };
    let closest = closest(by, title, ranked, seed);
    format!("{closest}{floor}")
}

fn closest(by: &str, title: &str, ranked: &[Ranked], seed: &SeedFindings) -> String {
    match ranked {
        [] => format!("No candidate has a {title}."),
        [only] => {
            let (n, shown) = (only.estimate.n, format_estimate(&only.estimate));
            format!("{}: {title} {shown} over {n} sentences.", only.subject)
        }
        [first, second, ..] => {
            let gap = difference(by, second, first, seed);
            let shown = format_estimate(&gap);
            if is_close(&gap) {
                format!(
                    "Too close to call between {} and {} by {title}: difference {shown}.",
                    first.subject, second.subject
                )
            } else {
                let gap = if gap.value.is_some_and(|v| v < 0.0) { gap.map(|v| -v) } else { gap };
                let (most, more) = superlative(by);
                let (first, second, gap) = (&first.subject, &second.subject, format_estimate(&gap));
                match most {
                    "closest" => format!("{first} is closest by {title}, ahead of {second} by {gap}."),
                    _ => format!("{first} has the {most} {title}, {more} than {second}'s by {gap}."),
                }
            }
        }
    }
}

/// Whether a difference does not tell two candidates apart; one whose error is not known does not.
fn is_close(gap: &Estimate) -> bool {
    gap.standard_error().is_none() || gap.covers(0.0)
}

fn closeness(by: &str, title: &str, ranked: &[Ranked], seed: &SeedFindings) -> Table {
    let mut table = Table::new(format!("Differences of {title} between candidates"))
        .words("candidates")
        .numbers("difference")
        .words("verdict")
        .words("how");
    for (i, first) in ranked.iter().enumerate() {
        for second in &ranked[i + 1..] {
            let gap = difference(by, second, first, seed);
            let verdict = if is_close(&gap) {
                "too close to call".to_owned()
            } else {
                format!("{} is {}", first.subject, superlative(by).1)
            };
            let how = gap.method.clone();
            table = table.row([
                Cell::Text(format!("{} − {}", second.subject, first.subject)),
                Cell::Estimate(gap),
                Cell::Text(verdict),
                Cell::Text(how),
            ]);
        }
    }
    table
}

/// The name of the real text's halves as a subject.
pub(super) fn halves(real: &str) -> String {
    format!("{real} (halves)")
}

/// What the surface classifiers say, as warnings.
fn telling(names: &[String], real: &str, seed: &SeedFindings) -> Vec<String> {
    let mut warnings = Vec::new();
    for (i, subject) in names.iter().enumerate() {
        let Some(dd) = seed.measure("dd", subject).and_then(|m| m.estimate.value) else { continue };
        let of = |name: &str| seed.measure(name, subject).map(|m| m.estimate.clone());
        for (name, what) in [
            ("dd-length", "only the length of a sentence"),
            ("dd-punctuation", "only punctuation and the first letter's case"),
        ] {
            if let Some(e) =
                of(name).filter(|e| e.low.is_some_and(|low| low > 0.05) && e.value.is_some_and(|v| v > dd / 2.0))
            {
                warnings.push(format!(
                    "{subject}: a classifier that sees {what} already reaches DD {} of {dd:.2}: look at the formatting first",
                    format_estimate(&e)
                ));
            }
        }
        if let Some(e) =
            of("dd-words").filter(|e| e.low.is_some_and(|low| low > 0.3) && e.value.is_some_and(|v| v > 0.8 * dd))
        {
            let named: Vec<Named> = seed.kept(&format!("candidate-{}", i + 1), "giveaways").unwrap_or_default();
            let side = |more: bool| {
                let words: Vec<&str> = named
                    .iter()
                    .filter(|n| (n.z > 0.0) == more)
                    .map(|n| n.text.as_str())
                    .filter(|t| !t.contains('⟨') && t.chars().any(char::is_alphabetic))
                    .take(6)
                    .collect();
                if words.is_empty() { "no word by itself".to_owned() } else { words.join(", ") }
            };
            warnings.push(format!(
                "{subject} and {real} are shifted against each other: which words occur already tells them apart (DD {} of {dd:.2}); more in {subject}: {}; more in {real}: {}",
                format_estimate(&e),
                side(true),
                side(false)
            ));
        }
    }
    warnings
}

/// The metrics of the first table, where they were measured; the details hold all.
const SHOWN: [&str; 11] = [
    "dd",
    "dd-excess",
    "bleu-4",
    "self-bleu-4",
    "reverse-bleu-4",
    "lm-score",
    "reverse-lm-score",
    "neural-lm-score",
    "reverse-neural-lm-score",
    "frechet",
    "distinct-3",
];

/// Metrics as rows, texts as columns, the real text against itself last.
fn main_table(names: &[String], real: &str, seed: &SeedFindings, report: Report) -> Report {
    let halves = halves(real);
    let mut table =
        Table::new("All candidates beside the real text against itself, with 90 % intervals").words("metric");
    for subject in names {
        table = table.numbers(subject.clone());
    }
    table = table.numbers("real against real");
    if names.len() > 1 {
        table = table.words("verdict");
    }
    for name in
        SHOWN.into_iter().chain(["frontier"]).filter(|name| names.iter().any(|s| seed.measure(name, s).is_some()))
    {
        let cell = |name: &str, subject: &str| {
            seed.measure(name, subject).map_or(Cell::Missing, |m| Cell::Estimate(m.estimate.clone()))
        };
        let mut row = vec![Cell::Text(metric::card(name).map_or(name, |card| card.title).to_owned())];
        row.extend(names.iter().map(|subject| cell(name, subject)));
        row.push(if name == "dd" { cell("dd-floor", real) } else { cell(name, &halves) });
        if names.len() > 1 {
            row.push(match rank(name, names, seed).as_slice() {
                [first, second, ..] if !is_close(&difference(name, second, first, seed)) => {
                    Cell::Text(format!("{} is {}", first.subject, superlative(name).0))
                }
                _ => Cell::Text("too close to call".to_owned()),
            });
        }
        table = table.row(row);
    }
    report.table(table.note(
        "Real against real: two random halves of the real text, one as the real text and one as the candidate, which is cut to the size of the smallest candidate where it is larger. DD, self-BLEU, reverse BLEU, distinct-n, the reverse LM score and the frontier depend on the candidate's number of sentences; where candidates differ in it, each is measured on as many of its sentences as the smallest has. BLEU and the LM score depend on the real text's number, which is half as large for the halves: their values of real against real are a little worse than those of a candidate as good as real text. All language models share one vocabulary, the words of the real text and of all candidates.",
    ))
}

fn details((i, subject): (usize, &String), seed: &SeedFindings, mut report: Report) -> Report {
    report = report.heading(subject.clone());
    let mut table = Table::new(format!("Everything measured of {subject}"))
        .words("measure")
        .numbers("value")
        .words("name")
        .words("n");
    for measure in seed.measures.iter().filter(|m| m.subject == *subject) {
        let title = metric::card(&measure.name).map_or(measure.name.as_str(), |card| card.title);
        table = table.row([
            Cell::Text(title.to_owned()),
            Cell::Estimate(measure.estimate.clone()),
            Cell::Code(measure.name.clone()),
            Cell::Text(measure.estimate.n.to_string()),
        ]);
    }
    report = report.table(table);
    let named: Vec<Named> = seed.kept(&format!("candidate-{}", i + 1), "giveaways").unwrap_or_default();
    if !named.is_empty() {
        let mut table =
            Table::new(format!("What gives {subject} away: the n-grams whose shares of sentences differ most surely"))
                .words("n-gram")
                .numbers("real")
                .numbers("candidate")
                .words("the candidate has");
        for n in named {
            let more = if n.z > 0.0 { "too many" } else { "too few" };
            table = table.row([
                Cell::Code(n.text),
                Cell::Estimate(n.real),
                Cell::Estimate(n.generated),
                Cell::Text(more.to_owned()),
            ]);
        }
        report = report.table(table);
    }
    report
}

fn curves(names: &[String], real: &str, seed: &SeedFindings, report: Report) -> Report {
    let mut figure = Figure::new("dd-over-n", "Discrepancy over the number of sentences")
        .x(Axis::new("sentences of each side").log())
        .y(Axis::new("DD"))
        .caption("DD of classifiers that were given so many sentences of each side, with 90 % intervals. A curve that still rises says that more sentences would show more.");
    let mut drawn = false;
    for subject in names {
        let mut points: Vec<(f64, &Estimate)> = seed
            .measures
            .iter()
            .filter(|m| m.subject == *subject)
            .filter_map(|m| Some((m.name.strip_prefix("dd@")?.parse().ok()?, &m.estimate)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        drawn |= points.len() > 1;
        let series =
            points.into_iter().fold(Series::new(subject.clone(), Kind::Line), |series, (n, e)| series.estimate(n, e));
        figure = figure.series(series);
    }
    if let Some(floor) = seed.measure("dd-floor", real).and_then(|m| m.estimate.value) {
        figure = figure.reference_y(floor, "real against real");
    }
    if drawn { report.figure(figure) } else { report }
}

fn calibration(names: &[String], seed: &SeedFindings, report: Report) -> Report {
    let mut figure = Figure::new("calibration", "Calibration of the classifier")
        .x(Axis::new("P(real) said").range(0.0, 1.0))
        .y(Axis::new("share that is real").range(0.0, 1.0))
        .diagonal("calibrated")
        .square()
        .caption("Held-out sentences in bins of equal size: on the diagonal the classifier means what it says. One classifier seed; Wilson intervals.");
    let mut drawn = false;
    for (i, subject) in names.iter().enumerate() {
        let Some(scores) = seed.kept::<Vec<[f64; 2]>>(&format!("candidate-{}", i + 1), CALIBRATION) else { continue };
        let mut pooled: Vec<(f64, bool)> = scores.iter().flat_map(|[r, g]| [(*r, true), (*g, false)]).collect();
        pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n = pooled.len();
        let mut series = Series::new(subject.clone(), Kind::Points);
        for bin in (0..BINS).map(|b| &pooled[b * n / BINS..(b + 1) * n / BINS]).filter(|bin| !bin.is_empty()) {
            let said = bin.iter().map(|(p, _)| p).sum::<f64>() / bin.len() as f64;
            let reals = bin.iter().filter(|(_, is_real)| *is_real).count() as u64;
            series = series.estimate(said, &Estimate::proportion(reals, bin.len() as u64, "Wilson"));
            drawn = true;
        }
        figure = figure.series(series);
    }
    if drawn { report.figure(figure) } else { report }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
