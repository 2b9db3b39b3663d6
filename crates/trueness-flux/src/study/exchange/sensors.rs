//! Which sensors matter: what is lost where one says nothing, what is left where some are taken away, and what physics says.

use super::knobs::ExchangeKnobs;
use super::simulated::{drawn, sites, training};
use crate::Result;
use crate::estimator::learned::{Learner, Site, Split};
use crate::rank::{self, information};
use crate::study::score::{efficiency, scores};
use trueness_core::{Estimate, Run};

pub(super) fn run(knobs: &ExchangeKnobs, run: &mut Run<'_>) -> Result<()> {
    let (seed, watch) = (run.seed(), run.watch());
    let [noise, hours] = knobs.ranked_at;
    let train = sites(knobs, noise, "train", knobs.train_sites, seed)?;
    let drawn = drawn(knobs, noise, "test", knobs.rank_sites, seed)?;
    let test: Vec<Site> = drawn.simulate()?.into_iter().map(Site::from).collect();
    for (done, &learner) in knobs.learners.iter().enumerate() {
        watch.step("importance", done as u64, knobs.learners.len() as u64)?;
        let training = training(knobs, learner, hours, Split::Held(knobs.calibration));
        let model = training.run(&train, None, None, seed.child("learner").child(learner.name()), watch)?;
        rank::measure_importance(&rank::importance(&model, &test, seed.child("bootstrap"))?, learner.name(), run);
    }
    for learner in [Learner::Boosting].into_iter().filter(|learner| knobs.learners.contains(learner)) {
        let training = training(knobs, learner, hours, Split::Held(knobs.calibration));
        let seed = seed.child("greedy").child(learner.name());
        rank::greedy(&training, &train, seed, watch, |depths, model, subset| {
            let found = efficiency(scores(model, &subset(&test))?.iter());
            let names: Vec<String> = depths.iter().map(|depth| format!("{:.1}", 100.0 * depth)).collect();
            let method = format!("sensors at {} cm, chosen by sites held out in training", names.join(", "));
            let subject = format!("{}/{} sensors", learner.name(), names.len());
            run.measure("nse-reduced", &subject, Estimate::uncertain(found, test.len() as u64, method), "");
            Ok(run.keep(&subject, &names)?)
        })?;
    }
    let depths = test.first().map(|site| site.record.depths.clone()).unwrap_or_default();
    rank::measure_information(&depths, &information(&drawn)?, run);
    Ok(())
}
