//! Simulated sites: what is drawn, and what sensors make of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use trueness_core::Seed;
use trueness_flux::DAY;
use trueness_flux::estimator::{Bed, Kalman};
use trueness_flux::river::{Driving, Simulated, Site, Sites, simulate};

fn drawn(sites: &Sites, n: u64) -> Vec<(Site, Driving)> {
    (0..n).map(|i| sites.draw(Seed::new(3).nth(i)).unwrap()).collect()
}

fn seeds(n: u64) -> Vec<Seed> {
    (0..n).map(|i| Seed::new(4).nth(i)).collect()
}

fn exact(mut sites: Sites) -> Sites {
    let sensors = &mut sites.pattern.sensors;
    (sensors.noise, sensors.bias, sensors.depth_error, sensors.clock, sensors.drift) = (0.0, 0.0, 0.0, 0.0, 0.0);
    sites.pattern.days = 6.0;
    sites
}

fn simulated(sites: &Sites, n: u64) -> Vec<Simulated> {
    simulate(&drawn(sites, n), &seeds(n)).unwrap()
}

#[test]
fn sites_keep_to_their_ranges_and_gain_as_often_as_they_lose() {
    let sites = exact(Sites::default());
    let drawn = drawn(&sites, 60);
    let mut losing = 0;
    for (site, driving) in &drawn {
        assert!((sites.permeability[0]..=sites.permeability[1]).contains(&site.sediment.permeability));
        let flux = &driving.flux[driving.before..];
        assert_eq!(flux.len(), site.times());
        let rms = (flux.iter().map(|q| q * q).sum::<f64>() / flux.len() as f64).sqrt() * DAY;
        assert!((sites.flux[0]..=sites.flux[1]).contains(&rms), "{rms}");
        losing += usize::from(flux.iter().sum::<f64>() > 0.0);
        let hour = (3600.0 / site.step) as usize;
        // The dams' share of the level keeps its ramp; snow melt, the week and the noise are slower or small.
        let fastest = driving.stage.windows(hour + 1).map(|w| (w[hour] - w[0]).abs()).fold(0.0, f64::max);
        assert!(fastest < site.stage.ramp + 8.0 * site.stage.noise + 0.05, "{fastest}");
    }
    // Four standard deviations of fair coins.
    assert!((15..=45).contains(&losing), "{losing} of 60");
}

#[test]
fn sensors_without_errors_tell_the_truth_and_others_err_as_they_say() {
    let clean = simulated(&exact(Sites::default()), 5);
    for site in &clean {
        assert_eq!(site.record.values, site.temperatures);
    }
    let mut sites = exact(Sites::default());
    sites.pattern.sensors.noise = 0.1;
    sites.pattern.sensors.resolution = 0.0625;
    for (told, truth) in simulated(&sites, 5).iter().zip(&clean) {
        assert_eq!(told.temperatures, truth.temperatures);
        let errors: Vec<f64> =
            told.record.values.iter().flatten().zip(truth.temperatures.iter().flatten()).map(|(a, b)| a - b).collect();
        let n = errors.len() as f64;
        let mean = errors.iter().sum::<f64>() / n;
        let sd = (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt();
        // Noise, and a rounding that is even within its step.
        let expected = (0.01f64 + 0.0625 * 0.0625 / 12.0).sqrt();
        assert!(mean.abs() < 4.0 * expected / n.sqrt(), "{mean}");
        assert!((sd / expected - 1.0).abs() < 4.0 / (2.0 * n).sqrt(), "{sd}");
        assert!(told.record.values.iter().flatten().all(|value| (value / 0.0625).fract() == 0.0));
    }
    // A clock that is ahead tells the past for now, so that a whole series is the truth moved by one time.
    let mut late = exact(Sites::default());
    late.pattern.sensors.clock = 600.0;
    let early = simulated(&late, 3);
    for (told, truth) in early.iter().zip(&clean) {
        for (told, truth) in told.record.values.iter().zip(&truth.temperatures) {
            let n = truth.len();
            let at = |place: f64| {
                let (low, share) = (place.floor() as usize, place.fract());
                truth[low] + share * (truth[(low + 1).min(n - 1)] - truth[low])
            };
            let missed = |moved: f64| (50..n - 50).map(|i| (told[i] - at(i as f64 - moved)).abs()).fold(0.0, f64::max);
            // In steps of 1 s out to four standard deviations.
            let best =
                (-2400..=2400).map(|s| f64::from(s) / 300.0).min_by(|a, b| missed(*a).total_cmp(&missed(*b))).unwrap();
            assert!(missed(best) < 0.02 * missed(best + 2.0).max(1e-4), "{best}: {} {}", missed(best), missed(0.0));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_sites_in_any_company() {
    let sites = Sites { pattern: Site { days: 2.0, ..Site::default() }, ..Sites::default() };
    let all = simulated(&sites, 20);
    let few = simulated(&sites, 3);
    assert_eq!(all[..3], few[..]);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| simulated(&sites, 20)), all);
}

#[test]
fn the_filter_finds_the_flux_of_a_simulated_site() {
    let sites =
        exact(Sites { flux: [0.3, 1.0], conductivity: [1.5, 1.5], dispersivity: [0.0, 0.0], ..Sites::default() });
    let drawn = drawn(&sites, 6);
    for ((site, _), simulated) in drawn.iter().zip(simulate(&drawn, &seeds(6)).unwrap()) {
        let bed = Bed { medium: site.medium().unwrap(), noise: 0.01, ..Bed::default() };
        let found = Kalman::default().smooth(&simulated.record, &bed).unwrap();
        let n = found.len() as f64;
        let mean = simulated.flux.iter().sum::<f64>() / n;
        let rms = simulated.flux.iter().map(|q| q * q).sum::<f64>() / n;
        let missed = found.flux.iter().zip(&simulated.flux).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / n;
        assert!(missed < 0.05 * rms, "mean {} m/d: {missed} of {rms}", mean * DAY);
    }
}

#[test]
fn sites_out_of_range_are_named() {
    let message = |site: Site| site.check().unwrap_err().to_string();
    let mut site = Site::default();
    site.sensors.depths = vec![0.1, 0.05];
    assert!(message(site).starts_with("sensors.depths: expected depths in m that grow"));
    let mut site = Site::default();
    site.sediment.porosity = 1.5;
    assert!(message(site).starts_with("porosity: expected a share"));
    assert!(message(Site { step: 0.0, ..Site::default() }).starts_with("step: expected"));
    assert!(message(Site { days: 1e3, step: 1.0, ..Site::default() }).starts_with("days and step: expected 2 to"));
    let none = Sites {
        flux: [50.0, 60.0],
        permeability: [1e-13, 1e-12],
        pattern: Site { days: 1.0, step: 3600.0, ..Site::default() },
        ..Sites::default()
    };
    assert!(none.draw(Seed::new(1)).unwrap_err().to_string().starts_with("flux: expected sites"));
}
