//! The engine: runs the units of a study on threads, aggregates over seeds, judges the claims.

use super::claim::{Claim, measure_key};
use super::{Findings, SeedFindings, Study};
use crate::error::{Error, Result};
use crate::estimate::{Estimate, Measure};
use crate::report::Verdict;
use crate::run::{Run, Sink, UnitRecord};
use crate::watch::Watch;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs every unit of the plan with every seed, those already in the sink excepted, and aggregates.
///
/// Units run on up to `threads` workers, each with its share of the threads as a pool of its own, so
/// that the work of one unit never waits inside another's. Which worker runs what cannot change a
/// result.
///
/// # Errors
/// The first unit's error in the order of the plan; [`Error::Interrupted`] where the watch was
/// cancelled. Units that were finished stay in the sink.
pub fn execute<S: Study>(
    study: &S,
    knobs: &S::Knobs,
    seeds: &[u64],
    threads: usize,
    sink: &dyn Sink,
    watch: Watch<'_>,
) -> Result<Findings> {
    study.check(knobs)?;
    let units = study.plan(knobs)?;
    let names = unit_names(study, &units)?;
    let jobs: Vec<(u64, usize)> =
        (0..units.len()).flat_map(|unit| seeds.iter().map(move |&seed| (seed, unit))).collect();
    let mut pending = Vec::new();
    for &(seed, unit) in &jobs {
        if sink.unit(seed, &names[unit])?.is_none() {
            pending.push((seed, unit));
        }
    }
    let threads = threads.max(1);
    let workers = threads.min(pending.len()).min(study.units_at_once(knobs)).max(1);
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(jobs.len() - pending.len());
    let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let work = |pool: &rayon::ThreadPool| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(seed, unit)) = pending.get(index) else { return };
            let outcome = pool.install(|| {
                let mut run = Run::begin(seed, &names[unit], sink, watch)?;
                watch.check()?;
                study.run_unit(knobs, &units[unit], &mut run)?;
                sink.finish_unit(seed, &names[unit], &run.finish())
            });
            match outcome {
                Ok(()) => {
                    let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
                    // An interruption is noticed by the next unit, which has not begun yet.
                    let _ = watch.step("units", done as u64, jobs.len() as u64);
                }
                Err(error) => {
                    next.store(pending.len(), Ordering::Relaxed);
                    let mut failure = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if failure.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                        *failure = Some((index, error));
                    }
                    return;
                }
            }
        }
    };
    let pools = (0..workers)
        .map(|worker| {
            let share = threads / workers + usize::from(worker < threads % workers);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(share.max(1)).build();
            pool.map_err(|error| Error::Failed(format!("cannot start threads: {error}")))
        })
        .collect::<Result<Vec<_>>>()?;
    let panicked = std::thread::scope(|scope| {
        let handles: Vec<_> = pools.iter().map(|pool| scope.spawn(|| work(pool))).collect();
        handles.into_iter().filter_map(|handle| handle.join().err()).count()
    });
    if let Some((_, error)) = failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(error);
    }
    if panicked > 0 {
        return Err(Error::Failed(
            "a unit stopped by a bug (see the message above); the finished ones are kept".to_owned(),
        ));
    }
    watch.check()?;
    gather(study, knobs, seeds, &names, sink)
}

fn unit_names<S: Study>(study: &S, units: &[S::Unit]) -> Result<Vec<String>> {
    let names: Vec<String> = units.iter().map(|unit| study.unit_name(unit)).collect();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/".contains(c);
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::Input(format!("two units of the plan are the same: {}", pair[0])));
    }
    match names.iter().find(|name| name.is_empty() || !name.chars().all(allowed) || name.contains("..")) {
        Some(name) => Err(Error::Failed(format!("a unit is named {name:?}; expected small letters, digits and -._/"))),
        None => Ok(names),
    }
}

fn gather<S: Study>(study: &S, knobs: &S::Knobs, seeds: &[u64], names: &[String], sink: &dyn Sink) -> Result<Findings> {
    let mut findings = Findings::default();
    for &seed in seeds {
        let mut units: Vec<(String, UnitRecord)> = Vec::new();
        for name in names {
            let record = sink.unit(seed, name)?;
            let record =
                record.ok_or_else(|| Error::Failed(format!("the record of {name} with seed {seed} is gone")))?;
            units.push((name.clone(), record));
        }
        let measures: Vec<Measure> = units.iter().flat_map(|(_, record)| record.measures.iter().cloned()).collect();
        for warning in units.iter().flat_map(|(_, record)| &record.warnings) {
            if !findings.warnings.contains(warning) {
                findings.warnings.push(warning.clone());
            }
        }
        let mut found = SeedFindings { seed, measures, units };
        let derived = study.derive(knobs, &found)?;
        found.measures.extend(derived);
        refuse_repeated(&found)?;
        findings.seeds.push(found);
    }
    findings.measures = aggregate(&findings.seeds);
    Ok(findings)
}

/// A measure that one seed takes twice would count as another seed.
fn refuse_repeated(seed: &SeedFindings) -> Result<()> {
    let mut keys: Vec<String> = seed.measures.iter().map(measure_key).collect();
    keys.sort();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::Failed(format!("seed {} measures {:?} more than once", seed.seed, pair[0]))),
        None => Ok(()),
    }
}

/// Each measure over seeds: a single seed's measure stays as it is; several give their mean with
/// Student's interval; exact values that agree stay exact.
fn aggregate(seeds: &[SeedFindings]) -> Vec<Measure> {
    let mut order: Vec<String> = Vec::new();
    let mut by_key: BTreeMap<String, Vec<&Measure>> = BTreeMap::new();
    for measure in seeds.iter().flat_map(|seed| &seed.measures) {
        let key = measure_key(measure);
        let entry = by_key.entry(key.clone()).or_default();
        if entry.is_empty() {
            order.push(key);
        }
        entry.push(measure);
    }
    order
        .iter()
        .filter_map(|key| by_key.get(key))
        .map(|measures| {
            let first = measures[0];
            let same = measures.iter().all(|m| m.estimate.value == first.estimate.value && m.estimate.level.is_none());
            let values: Vec<f64> = measures.iter().filter_map(|m| m.estimate.value).collect();
            if seeds.len() == 1 || same || values.is_empty() {
                return first.clone();
            }
            let method = format!("mean over {} seeds, Student; each seed: {}", values.len(), first.estimate.method);
            let estimate = Estimate::mean(&values, method).unit(first.estimate.unit.clone());
            Measure { estimate, ..first.clone() }
        })
        .collect()
}

/// The verdicts of claims on what was found.
pub fn judge(claims: &[Claim], findings: &Findings) -> Vec<Verdict> {
    let values = |seed: &SeedFindings| {
        let measured = seed.measures.iter().filter_map(|m| Some((measure_key(m), m.estimate.value?)));
        (seed.seed, measured.collect::<BTreeMap<String, f64>>())
    };
    let seeds: Vec<(u64, BTreeMap<String, f64>)> = findings.seeds.iter().map(values).collect();
    claims.iter().map(|claim| claim.judge(&seeds, &findings.measures)).collect()
}
