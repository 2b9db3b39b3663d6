//! The report of a training.

use super::tool::Kept;
use crate::adversarial::{Method, Watched};
use trueness_core::report::{Axis, Block, Cell, Figure, Kind as Drawn, Point, Samples, Series, Table, format_estimate};
use trueness_core::{Estimate, Measure};

pub(super) fn table(measures: &[Measure], went_on: bool) -> Table {
    let title = match went_on {
        true => "The weights that are kept: those after the last round, on other samples than the looks'",
        false => "The weights that are kept",
    };
    let mut table = Table::new(title).words("measure").numbers("value");
    for measure in measures {
        let title = match measure.name.as_str() {
            "nll-oracle-start" => "NLL-oracle before training",
            name => crate::metric::card(name).map_or(name, |card| card.title),
        };
        table = table.row([Cell::Text(title.to_owned()), Cell::Estimate(measure.estimate.clone())]);
    }
    table
}

/// NLL-oracle over the passes, beside where it began and the oracle's entropy; nothing for a corpus.
pub(super) fn truth(kept: &Kept) -> Option<Block> {
    let value = |name: &str| kept.measures.iter().find(|m| m.name == name).and_then(|m| m.estimate.value);
    let (start, entropy) = (value("nll-oracle-start")?, value("oracle-entropy")?);
    let mut series = Series::new("generator's samples", Drawn::Line).point(0.0, start);
    for (i, epoch) in kept.history.iter().enumerate() {
        if let Some(nll) = epoch.observed.get("nll-oracle") {
            series = series.point(i as f64 + 1.0, *nll);
        }
    }
    Some(Block::Figure(Box::new(
        Figure::new("nll-oracle", "NLL-oracle over the passes")
            .x(Axis::new("pass"))
            .y(Axis::new("NLL-oracle").unit("nats/token"))
            .series(series)
            .reference_y(entropy, "the oracle's entropy")
            .caption(
                "What the oracle says of samples at temperature 1. It is of quality alone: a generator that repeats \
                 the oracle's likeliest sentence goes below the entropy. DD by both densities, and NLL-gen, see \
                 that.",
            ),
    )))
}

pub(super) fn curves(kept: &Kept) -> Figure {
    let mut train = Series::new("training, as it went", Drawn::Line);
    let mut valid = Series::new("validation", Drawn::Line);
    for (i, epoch) in kept.history.iter().enumerate() {
        train = train.point(i as f64 + 1.0, epoch.train_loss);
        valid = valid.point(i as f64 + 1.0, epoch.metric);
    }
    Figure::new("loss", "Loss over the passes")
        .x(Axis::new("pass"))
        .y(Axis::new("loss").unit("nats/token"))
        .series(train)
        .series(valid)
        .reference_x(kept.best.epoch as f64, "best pass")
        .caption(
            "Lower is better. The training loss is the mean over a pass, with dropout on and the weights of each \
             step; where validation rises while training falls, the model learns its sentences by heart.",
        )
}

/// What came of the rounds against a discriminator, in a sentence.
pub(super) fn on(method: Method, history: &[Watched]) -> Option<String> {
    let (first, last) = (history.first()?, history.last()?);
    let [before, after] = [first, last].map(|look| look.measure("dd").map(format_estimate));
    let (before, after, rounds) = (before?, after?, last.round);
    // A verdict would need the difference's own interval.
    let overlap = match overlap(first.measure("dd")?, last.measure("dd")?) {
        true => " (the intervals overlap)",
        false => "",
    };
    Some(format!(
        "It went on as {} for {rounds} rounds: DD by fresh discriminators, which is 0 where they tell nothing apart, went \
         from {before} to {after}{overlap}.",
        method.title()
    ))
}

/// Whether two intervals have a value in common.
fn overlap(a: &Estimate, b: &Estimate) -> bool {
    let ends = |estimate: &Estimate| estimate.low.zip(estimate.high);
    ends(a).zip(ends(b)).is_some_and(|(a, b)| a.0 <= b.1 && b.0 <= a.1)
}

/// What is drawn over the rounds: titles, the unit, and the measures that share a figure.
const CURVES: [(&str, &str, &[&str]); 8] = [
    ("Distances by a fresh discriminator", "", &["dd", "d-relative", "d-absolute"]),
    ("Likelihood", "nats/token", &["nll-oracle", "nll-gen", "nll-div"]),
    ("DD by both densities", "", &["dd-density"]),
    ("Jeffreys' divergence by both densities", "nats/sentence", &["jeffreys"]),
    ("BLEU", "", &["bleu-2", "bleu-3", "bleu-4"]),
    ("Self-BLEU", "", &["self-bleu-2", "self-bleu-3", "self-bleu-4"]),
    ("Length of samples", "tokens", &["length"]),
    ("Entropy of tokens", "nats", &["token-entropy"]),
];

/// What was seen over the rounds: the first and the last look in a table, all in figures, and samples by the discriminator's score.
pub(super) fn rounds(history: &[Watched]) -> Vec<Block> {
    let (Some(first), Some(last)) = (history.first(), history.last()) else { return Vec::new() };
    let mut table = Table::new(format!("Before the first round, and after round {}", last.round))
        .words("measure")
        .numbers("before")
        .numbers("after");
    for measure in &first.measures {
        let title = crate::metric::card(&measure.name).map_or(measure.name.as_str(), |card| card.title);
        table = table.row([
            Cell::Text(title.to_owned()),
            Cell::Estimate(measure.estimate.clone()),
            last.measure(&measure.name).cloned().into(),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    for (title, unit, names) in CURVES {
        let series: Vec<Series> = names
            .iter()
            .map(|name| {
                let title = crate::metric::card(name).map_or(*name, |card| card.title);
                let mut series = Series::new(title, Drawn::Line);
                series.points = history
                    .iter()
                    .filter_map(|look| {
                        let estimate = look.measure(name)?;
                        Some(Point { x: look.round as f64, y: estimate.value?, low: estimate.low, high: estimate.high })
                    })
                    .collect();
                series
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        if series.is_empty() {
            continue;
        }
        let drawn = names.iter().find(|name| history.iter().any(|look| look.measure(name).is_some()));
        let id = format!("rounds-{}", drawn.unwrap_or(&names[0]));
        let mut figure = Figure::new(id, format!("{title} over the rounds"))
            .alt(format!("{title} by adversarial round"))
            .x(Axis::new("round"))
            .y(Axis::new(title).unit(unit))
            .caption(
                "Round 0 is the generator as maximum likelihood left it. Intervals of 90 % are of each look by itself.",
            );
        for one in series {
            figure = figure.series(one);
        }
        blocks.push(Block::Figure(Box::new(figure)));
    }
    let mut bins = Table::new(format!("Samples after round {} by what the discriminator says of them", last.round))
        .words("probability of being real")
        .numbers("share")
        .words("for example");
    for bin in &last.bins {
        bins = bins.row([
            Cell::Text(format!("{} to {}", bin.range[0], bin.range[1])),
            Cell::Estimate(bin.share.clone()),
            Cell::Text(bin.samples.first().cloned().unwrap_or_default()),
        ]);
    }
    blocks.push(Block::Table(bins));
    for bin in last.bins.iter().filter(|bin| !bin.samples.is_empty()) {
        let title = format!("Samples with a probability of {} to {}", bin.range[0], bin.range[1]);
        let samples = bin.samples.iter().fold(Samples::new(title), |all, sample| all.text(sample.clone()));
        blocks.push(Block::Samples(samples));
    }
    blocks
}

/// What the generator collapsed to, with the round in which that was first seen.
pub(super) fn collapse(history: &[Watched]) -> Option<String> {
    let seen = history.iter().find_map(|look| look.collapse.as_ref().map(|what| (look.round, what)))?;
    Some(format!("collapse, seen after round {}: {}", seen.0, seen.1))
}
