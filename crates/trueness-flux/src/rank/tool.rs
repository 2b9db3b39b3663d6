//! The ranking of sensors as a study: it has a run folder, can be resumed, and ends in a report.

use super::information;
use super::learned::{Importance, greedy, importance};
use crate::Result;
use crate::estimator::learned::Site;
use crate::river::Simulated;
use crate::study::score::{Score, measure, scores};
use crate::train::TrainKnobs;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use trueness_core::report::{Axis, Figure, Kind, Point, Report, Series, Table, format_estimate};
use trueness_core::{Estimate, Findings, Run, Study, StudySource};

/// The files that describe the tool.
pub const RANK: StudySource = StudySource {
    manifest: include_str!("../../studies/rank/study.toml"),
    readme: include_str!("../../studies/rank/README.md"),
};

/// The knobs of `trueness flux rank-sensors`, which are those of training.
pub type RankKnobs = TrainKnobs;

/// The ranking of sensors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rank;

/// A piece of the ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RankUnit {
    /// What is lost where one sensor tells something else.
    Importance,
    /// What is left with fewer sensors.
    Fewer,
    /// What physics says.
    Information,
}

/// How a depth is named in measures.
fn centimetres(depth: f64) -> String {
    format!("{:.1} cm", 100.0 * depth)
}

pub(crate) fn measure_importance(found: &Importance, learner: &str, run: &mut Run<'_>) {
    for (depth, lost) in found.depths.iter().zip(&found.lost) {
        run.measure("importance", &format!("{learner}/{}", centimetres(*depth)), lost.clone(), "");
    }
    run.measure("important", learner, found.important.clone(), "");
}

pub(crate) fn measure_information(depths: &[f64], found: &[Vec<f64>], run: &mut Run<'_>) {
    for (depth, values) in depths.iter().zip(found) {
        run.measure("information", &centimetres(*depth), Estimate::mean(values, "mean over sites"), "");
    }
}

impl Study for Rank {
    type Knobs = RankKnobs;
    type Unit = RankUnit;

    fn check(&self, knobs: &RankKnobs) -> trueness_core::Result<()> {
        Ok(knobs.check()?)
    }

    fn inputs(&self, knobs: &RankKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        Ok(knobs.loggers.iter().map(PathBuf::from).collect())
    }

    fn plan(&self, _knobs: &RankKnobs) -> trueness_core::Result<Vec<RankUnit>> {
        Ok(vec![RankUnit::Importance, RankUnit::Fewer, RankUnit::Information])
    }

    fn unit_name(&self, unit: &RankUnit) -> String {
        match unit {
            RankUnit::Importance => "importance",
            RankUnit::Fewer => "fewer",
            RankUnit::Information => "information",
        }
        .to_owned()
    }

    fn run_unit(&self, knobs: &RankKnobs, unit: &RankUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        Ok(ranked(knobs, *unit, run)?)
    }

    fn report(&self, knobs: &RankKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        let name = knobs.learner.name();
        let Some(depths) = findings.first().and_then(|seed| seed.kept::<Vec<f64>>("importance", "depths")) else {
            return Ok(report);
        };
        let found =
            |measure: &str, subject: &str| findings.measure(measure, subject).map(|measure| measure.estimate.clone());
        let mut table = Table::new("Sensors").words("depth").numbers("efficiency lost").numbers("information, (d/m)²");
        let mut series = Series::new("information", Kind::Line);
        for depth in &depths {
            let words = centimetres(*depth);
            let known = found("information", &words);
            if let Some((y, known)) = known.as_ref().and_then(|known| Some((known.value?, known))) {
                series.points.push(Point { x: 100.0 * depth, y, low: known.low, high: known.high });
            }
            let lost = found("importance", &format!("{name}/{words}"));
            table = table.row([words.into(), lost.into(), known.into()]);
        }
        let mut fewer =
            Table::new("With fewer sensors, trained anew").words("sensors at").numbers("NSE").numbers("RMSE, m/d");
        let left: Vec<Vec<f64>> = findings.first().and_then(|seed| seed.kept("fewer", "left")).unwrap_or_default();
        for kept in &left {
            let words: Vec<String> = kept.iter().map(|depth| centimetres(*depth)).collect();
            let subject = format!("{name}/{} sensors", kept.len());
            fewer = fewer.row([words.join(", ").into(), found("nse", &subject).into(), found("rmse", &subject).into()]);
        }
        let figure = Figure::new("information", "What a value says of a lasting change of the flux")
            .caption("Fisher's information by depth: the squared change of a temperature with the flux over the sensor's variance, a mean over sites.")
            .alt("Information by depth")
            .x(Axis::new("depth").unit("cm"))
            .y(Axis::new("information").unit("(d/m)²"))
            .series(series);
        let important = found("important", name).map_or_else(|| "none".to_owned(), |found| format_estimate(&found));
        Ok(report
            .lead(format!(
                "{name}, trained on {} simulated sites, takes {important} of {} sensors as important.",
                knobs.n_sites,
                depths.len()
            ))
            .table(table)
            .table(fewer)
            .figure(figure))
    }
}

fn ranked(knobs: &RankKnobs, unit: RankUnit, run: &mut Run<'_>) -> Result<()> {
    let (from, seed, watch) = (knobs.drawn_from()?, run.seed(), run.watch());
    let test = from.draw_all(knobs.n_test, seed.child("test"))?;
    if unit == RankUnit::Information {
        measure_information(&from.pattern.sensors.depths, &information(&test)?, run);
        return Ok(());
    }
    let known = |sites: Vec<Simulated>| -> Vec<Site> { sites.into_iter().map(Site::from).collect() };
    watch.step("simulated sites", 0, 1)?;
    let test = known(test.simulate()?);
    let train = known(from.simulate(knobs.n_sites, seed.child("train"))?);
    let (training, name) = (knobs.training(), knobs.learner.name());
    if unit == RankUnit::Importance {
        let model = training.run(&train, None, None, seed.child("fit"), watch)?;
        run.keep("depths", &model.depths().to_vec())?;
        measure_importance(&importance(&model, &test, seed.child("bootstrap"))?, name, run);
        return Ok(());
    }
    let mut left = Vec::new();
    greedy(&training, &train, seed.child("fit"), watch, |depths, model, subset| {
        let scores: Vec<Score> = scores(model, &subset(&test))?;
        measure(run, &format!("{name}/{} sensors", depths.len()), &scores, "sites", seed.child("bootstrap"));
        left.push(depths);
        Ok(())
    })?;
    run.keep("left", &left)?;
    Ok(())
}
