//! The simulation of sites as a study: it has a run folder and ends in a report and files.

use super::{Drawn, Driving, Simulated, Site, Sites};
use crate::logger::rfc3339;
use crate::{DAY, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use trueness_core::report::{Attachment, Axis, Block, Figure, Kind, Report, Series};
use trueness_core::{Estimate, Findings, Run, Seed, Study, StudySource};

/// The files that describe the tool.
pub const SIMULATE: StudySource = StudySource {
    manifest: include_str!("../../studies/simulate/study.toml"),
    readme: include_str!("../../studies/simulate/README.md"),
};

/// The first of January 2024, in ms since 1970.
const NEW_YEAR: i64 = 1_704_067_200_000;

/// How many points of a series are drawn.
const DRAWN: usize = 1500;

/// The knobs of `trueness flux simulate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SimulateKnobs {
    /// A TOML file that describes the site; a bed of sand and gravel at a dammed river without one.
    #[schemars(extend("x-position" = 1, "x-optional" = true))]
    pub site: String,
    /// How many sites; those of more than one are drawn at random around it.
    #[schemars(range(min = 1, max = 100))]
    pub n_sites: usize,
    /// The ranges that they are drawn from. Their pattern is what the site's file says, where there is one.
    pub sites: Sites,
}

impl Default for SimulateKnobs {
    fn default() -> Self {
        Self { site: String::new(), n_sites: 1, sites: Sites::default() }
    }
}

impl SimulateKnobs {
    fn pattern(&self) -> Result<Site> {
        if self.site.is_empty() {
            return Ok(self.sites.pattern.clone());
        }
        let path = Path::new(&self.site);
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::file(path, None, format!("cannot be read: {error}")))?;
        let site: Site = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() as u64 + 1);
            Error::file(path, line, format!("no site: {}", error.message()))
        })?;
        site.check().map_err(|error| Error::file(path, None, error.to_string()))?;
        Ok(site)
    }

    fn drawn(&self, seed: Seed) -> Result<Drawn> {
        let pattern = self.pattern()?;
        if self.n_sites == 1 {
            let driving = Driving::draw(&pattern, seed.child("driving"))?;
            return Ok(Drawn { sites: vec![(pattern, driving)], errors: vec![seed.child("errors").nth(0)] });
        }
        let sites = Sites { pattern, ..self.sites.clone() };
        sites.draw_all(self.n_sites, seed)
    }
}

/// The simulation of sites.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simulate;

/// A piece of the simulation, of which there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimulateUnit {
    /// All sites.
    Sites,
}

/// What is kept of a site: its files, and what is drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    files: Vec<(String, String)>,
    depths: Vec<f64>,
    start: String,
    /// Days, flux in m/d, and temperatures by sensor, thinned.
    days: Vec<f64>,
    flux: Vec<f64>,
    told: Vec<Vec<f64>>,
}

impl Study for Simulate {
    type Knobs = SimulateKnobs;
    type Unit = SimulateUnit;

    fn check(&self, knobs: &SimulateKnobs) -> trueness_core::Result<()> {
        knobs.pattern()?;
        Ok(())
    }

    fn inputs(&self, knobs: &SimulateKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        Ok([&knobs.site].into_iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect())
    }

    fn plan(&self, _knobs: &SimulateKnobs) -> trueness_core::Result<Vec<SimulateUnit>> {
        Ok(vec![SimulateUnit::Sites])
    }

    fn unit_name(&self, _unit: &SimulateUnit) -> String {
        "sites".to_owned()
    }

    fn run_unit(&self, knobs: &SimulateKnobs, _unit: &SimulateUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        let (seed, watch) = (run.seed(), run.watch());
        watch.step("sites", 0, 1)?;
        let drawn = knobs.drawn(seed)?;
        let found = drawn.simulate()?;
        let drawn = drawn.sites;
        let mut kept = Vec::new();
        for (i, ((site, _), simulated)) in drawn.iter().zip(&found).enumerate() {
            let mark = if drawn.len() == 1 { String::new() } else { format!("-{:03}", i + 1) };
            let subject = format!("site{mark}");
            let flux: Vec<f64> = simulated.flux.iter().map(|q| q * DAY).collect();
            let n = flux.len() as u64;
            let exact = |value: f64, how: &str| Estimate::exact(value, how).n(n);
            let mean = flux.iter().sum::<f64>() / n as f64;
            let up = flux.iter().filter(|q| **q < 0.0).count() as f64 / n as f64;
            run.measure("flux/mean", &subject, exact(mean, "mean over time").unit("m/d"), "");
            run.measure("flux/upward", &subject, exact(up, "share of times"), "");
            kept.push(keep(site, simulated, &mark)?);
        }
        run.keep("sites", &kept)
    }

    fn report(&self, knobs: &SimulateKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        let kept: Vec<Kept> = findings.first().and_then(|seed| seed.kept("sites", "sites")).unwrap_or_default();
        let Some(first) = kept.first() else { return Ok(report) };
        let axis = || Axis::new(format!("days since {}", first.start));
        let line = |name: String, values: &[f64]| {
            Series::new(name, Kind::Line).points(first.days.iter().copied().zip(values.iter().copied()))
        };
        let flux = Figure::new("flux", "Flux of the first site")
            .caption("Above zero water goes down, below it comes up.")
            .alt("Flux over time")
            .x(axis())
            .y(Axis::new("Darcy flux").unit("m/d"))
            .reference_y(0.0, "no exchange")
            .series(line("flux".to_owned(), &first.flux));
        let mut told = Figure::new("temperatures", "What its sensors tell")
            .caption("With the sensors' errors, at the depths they are thought to be at.")
            .alt("Temperatures over time")
            .x(axis())
            .y(Axis::new("temperature").unit("°C"));
        for (depth, values) in first.depths.iter().zip(&first.told) {
            told = told.series(line(format!("{depth:.3} m"), values));
        }
        let words = if knobs.n_sites == 1 { "One site".to_owned() } else { format!("{} sites", knobs.n_sites) };
        let mut report = report
            .lead(format!("{words} simulated; infer with trueness flux infer THIS-RUN/temperatures*.csv."))
            .figure(flux)
            .figure(told);
        for (name, text) in kept.into_iter().flat_map(|site| site.files) {
            let mime = if name.ends_with(".csv") { "text/csv" } else { "application/toml" };
            report = report.block(Block::Attachment(Attachment::result(name, "of the simulated site", mime, text)));
        }
        Ok(report)
    }
}

fn keep(site: &Site, simulated: &Simulated, mark: &str) -> Result<Kept> {
    let start = NEW_YEAR + ((site.first_day - 1.0) * DAY * 1000.0).round() as i64;
    let n = simulated.flux.len();
    let time = |i: usize| rfc3339(start + (i as f64 * site.step * 1000.0).round() as i64);
    // Writing to a string does not fail.
    let mut temperatures = "time".to_owned();
    for depth in &simulated.record.depths {
        let _ = write!(temperatures, ",{depth} m");
    }
    let mut flux = "time,flux".to_owned();
    let mut heads = "time,stage,head,river,groundwater".to_owned();
    let driving = &simulated.driving;
    for i in 0..n {
        let time = time(i);
        let _ = write!(temperatures, "\n{time}");
        for values in &simulated.record.values {
            let _ = write!(temperatures, ",{:.5}", values[i]);
        }
        let _ = write!(flux, "\n{time},{:.6}", simulated.flux[i] * DAY);
        let [stage, head] = [driving.stage[i], driving.head[i]];
        let [river, ground] = [driving.river[i], driving.groundwater[i]];
        let _ = write!(heads, "\n{time},{stage:.5},{head:.5},{river:.5},{ground:.5}");
    }
    for text in [&mut temperatures, &mut flux, &mut heads] {
        text.push('\n');
    }
    let described = toml::to_string(site).map_err(|error| Error::Input(format!("the site has no TOML: {error}")))?;
    let truth: Vec<String> = simulated.depths.iter().map(|depth| format!("{depth:.4}")).collect();
    let described = format!("# The sensors truly lie at {} m.\n{described}", truth.join(", "));
    let every = n.div_ceil(DRAWN).max(1);
    let thin = |values: &[f64]| values.iter().step_by(every).copied().collect::<Vec<f64>>();
    Ok(Kept {
        files: vec![
            (format!("temperatures{mark}.csv"), temperatures),
            (format!("flux{mark}.csv"), flux),
            (format!("heads{mark}.csv"), heads),
            (format!("site{mark}.toml"), described),
        ],
        depths: simulated.record.depths.clone(),
        start: rfc3339(start),
        days: (0..n).step_by(every).map(|i| i as f64 * site.step / DAY).collect(),
        flux: thin(&simulated.flux).iter().map(|q| q * DAY).collect(),
        told: simulated.record.values.iter().map(|values| thin(values)).collect(),
    })
}
