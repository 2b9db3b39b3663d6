//! A text whose distance from the real one is known, and what the metrics find of it.
//!
//! `cargo run --release -p trueness-text --example quickstart`

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use trueness_core::report::format_estimate;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_text::discriminator::{Protocol, giveaways};
use trueness_text::metric::bleu::{Settings, bleu};
use trueness_text::oracle::Oracle;
use trueness_text::oracle::grammar::{Grammar, GrammarKnobs};

fn main() -> Result<(), trueness_text::Error> {
    let seed = Seed::new(0);
    // Real captions, and a generator that doubles one determiner in ten.
    let real = Grammar::default();
    let generator = Grammar::new(GrammarKnobs { repetition: 0.1, ..GrammarKnobs::default() })?;
    let (captions, generated) =
        (real.sample(5000, seed.child("real")), generator.sample(5000, seed.child("generated")));
    println!("real:      {}", real.vocabulary().decode(captions.sentence(0)));
    println!("generated: {}", real.vocabulary().decode(generated.sentence(0)));

    let (cancel, silent) = (Cancel::default(), Silent);
    let watch = Watch::new(&cancel, &silent);
    let words = real.vocabulary().len();
    let judged = Protocol::default().judge(&captions, &generated, words, 1000, 999, seed.child("judge"), watch)?;
    println!("DD of a classifier:  {}", format_estimate(&judged.discrepancy.dd));
    if let Some(tv) = real.total_variation(&generator) {
        println!("exact DD:            {tv:.3}");
    }
    for measure in bleu(&generated, &captions, &Settings::default(), seed.child("bleu"))?.measures {
        println!("{}:              {}", measure.name, format_estimate(&measure.estimate));
    }
    for giveaway in giveaways(&captions, &generated, real.vocabulary(), 3) {
        println!(
            "gives it away:       {:?} in {} of its sentences",
            giveaway.text,
            format_estimate(&giveaway.generated)
        );
    }
    Ok(())
}
