//! The metrics that papers compare, of one text against a real one.

use crate::corpus::{Encoded, Vocabulary};
use crate::discriminator::Protocol;
use crate::error::Result;
use crate::metric::bleu::{Orders, Settings, bleu, self_bleu};
use crate::metric::embedding::{HashedOptions, hashed};
use crate::metric::frechet::frechet;
use crate::metric::language_model::{NgramConfig, NgramModel};
use trueness_core::{Measure, Seed, Watch};

/// How texts are measured.
pub(super) struct Battery<'a> {
    /// How the classifier behind DD is trained.
    pub(super) protocol: &'a Protocol,
    /// Bootstrap resamples behind the intervals of one seed.
    pub(super) resamples: usize,
    /// BLEU's and self-BLEU's order.
    pub(super) order: usize,
    /// The words of all texts.
    pub(super) vocabulary: &'a Vocabulary,
}

impl Battery<'_> {
    /// DD, BLEU, self-BLEU, the LM score and its reverse, the Fréchet distance. The classifiers' seed is apart,
    /// so that texts with the same real one and the same seed are compared on the same held-out sentences.
    pub(super) fn measure(
        &self,
        real: &Encoded,
        generated: &Encoded,
        seeds: [Seed; 2],
        watch: Watch<'_>,
    ) -> Result<Vec<Measure>> {
        let [classifiers, seed] = seeds;
        let words = self.vocabulary.len();
        let judged = self.protocol.judge(real, generated, words, self.resamples, 0, classifiers, watch)?;
        let mut measures = vec![Measure::new("dd", judged.discrepancy.dd).signed(self.protocol.signature())];
        // Over several seeds the interval comes from the seeds, so that few groups do within one.
        let settings = Settings {
            orders: Orders::new(self.order, self.order)?,
            resamples: self.resamples,
            groups: 5,
            ..Settings::default()
        };
        measures.extend(bleu(generated, real, &settings, seed)?.measures);
        measures.extend(self_bleu(generated, &settings, seed)?.measures);
        let config = NgramConfig { vocabulary: Some(words), ..NgramConfig::default() };
        for (name, train, scored) in [("lm-score", real, generated), ("reverse-lm-score", generated, real)] {
            let model = NgramModel::fit(train, &config)?;
            let estimate = model.score(scored).estimate(seed.child(name));
            measures.push(Measure::new(name, estimate).signed(model.signature()));
        }
        let options = HashedOptions { dims: if real.len() >= 1000 { 128 } else { 16 }, ..HashedOptions::default() };
        let embed = |text: &Encoded| hashed(text, self.vocabulary, &options);
        let distance = frechet(&embed(real)?, &embed(generated)?, seed)?;
        measures.push(distance.measure());
        Ok(measures)
    }
}
