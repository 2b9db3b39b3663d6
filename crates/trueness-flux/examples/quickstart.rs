//! A river bed is simulated, and its flux inferred from what its sensors tell: `cargo run --release -p trueness-flux --example quickstart`.

use std::io::Write;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_flux::DAY;
use trueness_flux::estimator::{Bed, Kalman};
use trueness_flux::river::{Driving, Site, simulate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = Seed::new(0);
    let site = Site { days: 5.0, step: 600.0, ..Site::default() };
    let driving = Driving::draw(&site, seed.child("driving"))?;
    let simulated = simulate(&[(site, driving)], &[seed.child("errors")])?;
    let (record, truth) = (&simulated[0].record, &simulated[0].flux);

    let cancel = Cancel::default();
    let kalman = Kalman::default();
    // The bed is not known: its conductivity, the sensors' noise and how the flux changes are fitted to two days.
    let bed = kalman.tune(record, &Bed::default(), 2.0, Watch::new(&cancel, &Silent))?.bed;
    let found = kalman.smooth(record, &bed)?;

    let mut out = std::io::stdout().lock();
    writeln!(out, "hour   flux there   flux found   interval of 90 %   (m/d, positive downward)")?;
    for i in (0..record.len()).step_by(36) {
        let [q, flux, low, high] = [truth[i], found.flux[i], found.low[i], found.high[i]].map(|x| x * DAY);
        writeln!(out, "{:4.0}   {q:10.3}   {flux:10.3}   [{low:.3}, {high:.3}]", i as f64 * record.step / 3600.0)?;
    }
    let within = (0..record.len()).filter(|&i| (found.low[i]..=found.high[i]).contains(&truth[i])).count();
    writeln!(out, "the interval holds the flux at {within} of {} times", record.len())?;
    Ok(())
}
