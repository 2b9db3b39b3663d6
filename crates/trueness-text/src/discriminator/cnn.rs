//! The papers' convolutional classifier of real against generated sentences.
//!
//! The network is [`TextCnn`]; here it is trained on token ids, real sentences against generated ones,
//! and asked for its logit of any others. Its accuracy on held-out sentences gives the distributional
//! discrepancy 2·accuracy − 1 (arXiv 2005.01282), its odds p/(1 − p) the acceptance of the discriminator
//! filter (arXiv 2004.02135).

use crate::corpus::{Encoded, fingerprint};
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::burn::nn::loss::CrossEntropyLossConfig;
use trueness_nn::burn::tensor::{Device, Int, Tensor, TensorData};
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{
    Best, Checkpoints, Epoch, FitConfig, Goal, Schedule, Task, TextCnn, TextCnnConfig, batches_by_length, fit,
};

/// The most positions, sentences times padded length, that are scored at once: it bounds the memory.
const POSITIONS: usize = 1 << 14;

/// The longest sentence that [`CnnConfig::length`] may ask for.
const LONGEST: usize = 4096;

/// The knobs of the convolutional classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CnnConfig {
    /// The size of a token's vector.
    pub embedding: usize,
    /// The widths of the convolutions, in tokens.
    pub widths: Vec<usize>,
    /// The number of filters of each width.
    pub filters: Vec<usize>,
    /// The initial bias of the highway layer's gate: 0, or negative to let the features through at first.
    pub gate_bias: f64,
    /// The probability with which dropout keeps a feature in training, in (0, 1].
    pub keep: f64,
    /// The weight of half the squared norm of the output layer in the loss, at least 0.
    pub l2: f64,
    /// Adam's step size, positive.
    pub learning_rate: f64,
    /// Sentences in a batch, half of them real: even and at least 2.
    pub batch: usize,
    /// Passes over the training sentences, at least 1. The pass with the best accuracy on the validation
    /// sentences gives the weights.
    pub epochs: usize,
    /// Stop after so many passes without a better validation accuracy; none: never.
    pub patience: Option<usize>,
    /// Tokens of a sentence that are looked at, 1 to 4096; what follows is cut off.
    pub length: usize,
}

impl Default for CnnConfig {
    fn default() -> Self {
        Self::small()
    }
}

impl CnnConfig {
    /// A small network for a CPU: some minutes at most for 2 × 10,000 captions on two cores.
    pub fn small() -> Self {
        Self {
            l2: 0.2,
            learning_rate: 1e-3,
            batch: 128,
            epochs: 20,
            patience: Some(4),
            length: 64,
            ..Self::of(TextCnnConfig::small(0))
        }
    }

    /// As in the code of the distributional-discrepancy paper: 120 passes, batches of 512.
    pub fn dd() -> Self {
        Self {
            l2: 0.2,
            learning_rate: 1e-4,
            batch: 512,
            epochs: 120,
            patience: None,
            length: 64,
            ..Self::of(TextCnnConfig::dd(0))
        }
    }

    /// As in the code of the discriminator filter's paper: no dropout, a larger step, 60 passes.
    pub fn filter() -> Self {
        Self { learning_rate: 1e-3, epochs: 60, ..Self { keep: TextCnnConfig::filter(0).keep, ..Self::dd() } }
    }

    /// SeqGAN's discriminator: twelve widths up to 20 tokens. Its code trains as long as the generator
    /// does; here it is ten passes, with SeqGAN's batches.
    pub fn seqgan() -> Self {
        Self {
            l2: 0.2,
            learning_rate: 1e-4,
            batch: 64,
            epochs: 10,
            patience: None,
            length: 64,
            ..Self::of(TextCnnConfig::seqgan(0))
        }
    }

    /// The network's knobs; how to train it is left to the caller.
    fn of(network: TextCnnConfig) -> Self {
        Self {
            embedding: network.embedding,
            widths: network.widths,
            filters: network.filters,
            gate_bias: network.gate_bias,
            keep: network.keep,
            l2: 0.0,
            learning_rate: 0.0,
            batch: 0,
            epochs: 0,
            patience: None,
            length: 0,
        }
    }

    pub(crate) fn network(&self, vocabulary_size: usize) -> TextCnnConfig {
        TextCnnConfig {
            // Id 0 is the padding, so that the words' own ids move up by one.
            vocabulary: vocabulary_size + 1,
            embedding: self.embedding,
            widths: self.widths.clone(),
            filters: self.filters.clone(),
            gate_bias: self.gate_bias,
            keep: self.keep,
            classes: 2,
        }
    }

    /// Checks everything but the vocabulary, which the texts decide.
    ///
    /// # Errors
    /// [`Error::Input`] that names the knob.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Input(format!("the convolutional classifier: {what}")));
        if self.batch < 2 || !self.batch.is_multiple_of(2) {
            return wrong(format!("batch has to be even and at least 2, and is {}", self.batch));
        }
        if !(1..=LONGEST).contains(&self.length) {
            return wrong(format!("length has to be 1 to {LONGEST}, and is {}", self.length));
        }
        if !(self.l2.is_finite() && self.l2 >= 0.0) {
            return wrong(format!("l2 has to be at least 0, and is {}", self.l2));
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong(format!("learning_rate has to be positive, and is {}", self.learning_rate));
        }
        if self.epochs == 0 || self.patience == Some(0) {
            return wrong("epochs and patience have to be at least 1; patience may be none".to_owned());
        }
        Ok(self.network(1).check()?)
    }

    /// Everything that the classifier's scores depend on, besides the data, in a few words.
    pub fn signature(&self) -> String {
        let join = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let patience = self.patience.map_or_else(|| "none".to_owned(), |patience| patience.to_string());
        format!(
            "cnn|emb:{}|widths:{}|filters:{}|gate:{}|keep:{}|l2:{}|adam:{}|batch:{}|epochs:{}|patience:{patience}|len:{}",
            self.embedding,
            join(&self.widths),
            join(&self.filters),
            self.gate_bias,
            self.keep,
            self.l2,
            self.learning_rate,
            self.batch,
            self.epochs,
            self.length,
        )
    }
}

/// A trained classifier.
#[derive(Clone, Debug)]
pub struct Trained {
    network: TextCnn,
    vocabulary_size: usize,
    length: usize,
    signature: String,
    /// The pass whose weights these are, and its accuracy on the validation sentences: the mean of the
    /// accuracies on real and on generated ones, a logit of exactly 0 counting as generated.
    pub best: Best,
    /// Every pass: the mean training loss, and the validation accuracy.
    pub history: Vec<Epoch>,
}

/// Trains a classifier of real sentences (label 1) against generated ones (label 0).
///
/// Batches hold as many real sentences as generated ones, so that the logit is that of equal priors. A
/// pass goes through the larger of the two sets once; the smaller one is repeated. Token ids are below
/// `vocabulary_size`. The result depends on the arguments alone, not on threads.
///
/// # Errors
/// [`Error::Input`] if a set is empty, an id is too large or the knobs make no sense;
/// [`trueness_core::Error::Interrupted`] if the watch said so.
pub fn train(
    config: &CnnConfig,
    train: (&Encoded, &Encoded),
    valid: (&Encoded, &Encoded),
    vocabulary_size: usize,
    device: &Device,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Trained> {
    Job { config, train, valid, vocabulary_size, device, checkpoints: None }.run(seed, watch)
}

/// A training with all that it needs, for callers who want checkpoints: `train` is the short form.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The knobs.
    pub config: &'a CnnConfig,
    /// Real and generated sentences to train on.
    pub train: (&'a Encoded, &'a Encoded),
    /// Real and generated sentences to choose the best pass by.
    pub valid: (&'a Encoded, &'a Encoded),
    /// One more than the largest token id that there may be.
    pub vocabulary_size: usize,
    /// Where to train.
    pub device: &'a Device,
    /// Where to keep the state, and from where to go on.
    pub checkpoints: Option<&'a Checkpoints>,
}

impl Job<'_> {
    /// Trains, as [`train`] says.
    ///
    /// # Errors
    /// As for [`train`]; and if a checkpoint is damaged or was made with other settings.
    pub fn run(&self, seed: Seed, watch: Watch<'_>) -> Result<Trained> {
        let config = self.config;
        config.check()?;
        let part = |what, sentences| Shifted::new(what, sentences, self.vocabulary_size, config.length);
        let task = Discrimination {
            train: [part("real training", self.train.0)?, part("generated training", self.train.1)?],
            valid: [part("real validation", self.valid.0)?, part("generated validation", self.valid.1)?],
            l2: config.l2,
            signature: format!("{}|vocabulary:{}", config.signature(), self.vocabulary_size),
        };
        let network = config.network(self.vocabulary_size).init(self.device, seed.child("init"))?;
        let fit_config = FitConfig {
            label: "classifier".to_owned(),
            epochs: config.epochs,
            batch: config.batch / 2,
            learning_rate: config.learning_rate,
            schedule: Schedule::Constant,
            goal: Goal::Maximize,
            patience: config.patience,
            clip_norm: None,
            checkpoint_every: None,
        };
        let adam = AdamConfig::default().init();
        let fitted = fit(&task, network, adam, &fit_config, seed.child("fit"), self.checkpoints, watch)?;
        Ok(Trained {
            network: fitted.model,
            vocabulary_size: self.vocabulary_size,
            length: config.length,
            signature: format!("{}|seed:{}", config.signature(), seed.to_u53()),
            best: fitted.best,
            history: fitted.history,
        })
    }
}

impl Trained {
    /// The logit log p/(1 − p) of each sentence, p being the probability that it is real at equal priors.
    /// A sentence's logit does not depend on the other sentences, up to rounding.
    ///
    /// # Errors
    /// [`Error::Input`] if a token id is not below the vocabulary's size.
    pub fn logits(&self, sentences: &Encoded) -> Result<Vec<f32>> {
        if sentences.is_empty() {
            return Ok(Vec::new());
        }
        let shifted = Shifted::new("scored", sentences, self.vocabulary_size, self.length)?;
        Ok(logits(&self.network, &shifted.0)?)
    }

    /// Everything that the logits depend on, besides the training sentences, in a few words.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Writes the weights to a file.
    ///
    /// # Errors
    /// If they cannot be had or written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        Ok(trueness_nn::weights::save(&self.network, path)?)
    }

    /// A classifier of given knobs with the weights of a file.
    ///
    /// # Errors
    /// If the knobs make no sense, or the file is damaged or does not fit.
    pub(crate) fn load(config: &CnnConfig, vocabulary_size: usize, device: &Device, path: &Path) -> Result<Self> {
        config.check()?;
        let network = config.network(vocabulary_size).init(device, Seed::new(0))?;
        Ok(Self {
            network: trueness_nn::weights::load(network, path)?,
            vocabulary_size,
            length: config.length,
            signature: config.signature(),
            best: Best { epoch: 0, metric: 0.0 },
            history: Vec::new(),
        })
    }
}

/// Sentences as the network wants them: ids from 1 on, cut to a length.
struct Shifted(Vec<Vec<u32>>);

impl Shifted {
    fn new(what: &str, sentences: &Encoded, vocabulary_size: usize, length: usize) -> Result<Self> {
        // The network's ids are 32-bit and signed, and one more of them is needed for the padding.
        if vocabulary_size == 0 || vocabulary_size >= i32::MAX as usize {
            return Err(Error::Input(format!("the vocabulary has {vocabulary_size} words: expected 1 to 2³¹ − 2")));
        }
        if sentences.is_empty() {
            return Err(Error::Input(format!("the classifier needs {what} sentences, and there are none")));
        }
        let shift = |(i, sentence): (usize, &[u32])| {
            let shift = |&id: &u32| match (id as usize) < vocabulary_size {
                true => Ok(id + 1),
                false => Err(Error::Input(format!(
                    "{what} sentence {} has token id {id}: expected ids below {vocabulary_size}",
                    i + 1
                ))),
            };
            sentence.iter().take(length).map(shift).collect::<Result<Vec<u32>>>()
        };
        sentences.iter().enumerate().map(shift).collect::<Result<_>>().map(Self)
    }
}

/// The logits of sentences, in their order.
fn logits(network: &TextCnn, sentences: &[Vec<u32>]) -> trueness_core::Result<Vec<f32>> {
    let lengths: Vec<usize> = sentences.iter().map(Vec::len).collect();
    let mut logits = vec![0.0; sentences.len()];
    for now in batches_by_length(&lengths, POSITIONS) {
        let batch: Vec<&[u32]> = now.iter().map(|&i| sentences[i].as_slice()).collect();
        let scores = network.forward(network.batch(&batch), None).try_into_vec_as::<f32>();
        let scores = scores.map_err(|error| trueness_core::Error::Failed(format!("cannot read logits: {error}")))?;
        for (&i, pair) in now.iter().zip(scores.chunks_exact(2)) {
            logits[i] = pair[1] - pair[0];
        }
    }
    Ok(logits)
}

/// The task of the fit loop; real comes first in each pair.
struct Discrimination {
    train: [Shifted; 2],
    valid: [Shifted; 2],
    l2: f64,
    signature: String,
}

impl Task for Discrimination {
    type Model = TextCnn;

    fn n_train(&self) -> usize {
        let [real, generated] = &self.train;
        real.0.len().max(generated.0.len())
    }

    fn loss(&self, model: &TextCnn, batch: &[usize], seed: Seed) -> trueness_core::Result<Tensor<1>> {
        let of = |set: &Shifted| batch.iter().map(|&i| set.0[i % set.0.len()].clone()).collect::<Vec<_>>();
        let [real, generated] = &self.train;
        let sentences = [of(real), of(generated)].concat();
        let logits = model.forward(model.batch(&sentences), Some(seed));
        let device = logits.device();
        let labels: Vec<i32> = (0..sentences.len()).map(|i| i32::from(i < batch.len())).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [sentences.len()]), &device);
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, labels);
        Ok(loss + model.penalty().mul_scalar(self.l2))
    }

    fn validate(&self, model: &TextCnn, watch: Watch<'_>) -> trueness_core::Result<f64> {
        let mut right = [0.0; 2];
        for (share, (set, real)) in right.iter_mut().zip(self.valid.iter().zip([true, false])) {
            watch.check()?;
            let logits = logits(model, &set.0)?;
            *share = logits.iter().filter(|&&z| (z > 0.0) == real).count() as f64 / logits.len() as f64;
        }
        Ok((right[0] + right[1]) / 2.0)
    }

    fn signature(&self) -> String {
        let [a, b, c, d] =
            [&self.train[0], &self.train[1], &self.valid[0], &self.valid[1]].map(|set| fingerprint(&set.0));
        format!("{}|train:{a}+{b}|valid:{c}+{d}", self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use trueness_core::{Cancel, Silent};
    use trueness_nn::device;

    fn tiny() -> CnnConfig {
        CnnConfig {
            embedding: 8,
            filters: vec![8, 8],
            learning_rate: 0.01,
            l2: 0.0,
            batch: 32,
            epochs: 6,
            ..CnnConfig::small()
        }
    }

    /// Sentences of random words; in real ones word 4 never follows word 3, in generated ones it does. A
    /// bag of words would hardly tell them apart.
    fn sentences(n: usize, real: bool, seed: u64) -> Encoded {
        let mut rng = Seed::new(seed).rng();
        let sentence = |_| {
            let length = rng.random_range(3..9);
            let mut words: Vec<u32> = Vec::new();
            while words.len() < length {
                let word = rng.random_range(0..12);
                if words.last() != Some(&3) || word != 4 {
                    words.push(word);
                }
            }
            if !real {
                let at = rng.random_range(1..length);
                (words[at - 1], words[at]) = (3, 4);
            } else {
                // As many of each word, in the other order.
                let at = rng.random_range(1..length);
                (words[at - 1], words[at]) = (4, 3);
                if words.get(at + 1) == Some(&4) {
                    words[at + 1] = 3;
                }
            }
            words
        };
        (0..n).map(sentence).collect()
    }

    fn run(config: &CnnConfig, generated: bool, seed: u64) -> Result<Trained> {
        let other = |n, seed| sentences(n, !generated, seed);
        train(
            config,
            (&sentences(400, true, 1), &other(300, 2)),
            (&sentences(200, true, 3), &other(200, 4)),
            12,
            &device::parse("cpu").unwrap(),
            Seed::new(seed),
            Watch::new(&Cancel::default(), &Silent),
        )
    }

    fn accuracy(trained: &Trained, real: &Encoded, generated: &Encoded) -> f64 {
        let [real, generated] = [(real, true), (generated, false)].map(|(set, is_real)| {
            let logits = trained.logits(set).unwrap();
            logits.iter().filter(|&&z| (z > 0.0) == is_real).count() as f64 / set.len() as f64
        });
        (real + generated) / 2.0
    }

    #[test]
    fn a_pattern_is_learned_and_holds_on_other_sentences() {
        let trained = run(&CnnConfig { epochs: 25, ..tiny() }, true, 7).unwrap();
        let test = accuracy(&trained, &sentences(500, true, 5), &sentences(500, false, 6));
        assert!(test > 0.95 && trained.best.metric > 0.95, "{test} {:?}", trained.best);
        assert_eq!(trained.best.metric, trained.history[trained.best.epoch - 1].metric);
    }

    #[test]
    fn the_same_kind_of_text_cannot_be_told_apart() {
        let trained = run(&tiny(), false, 7).unwrap();
        let test = accuracy(&trained, &sentences(1000, true, 5), &sentences(1000, true, 6));
        // 2,000 fair coins have a standard deviation of .011.
        assert!((test - 0.5).abs() < 4.0 * 0.0112, "{test}");
    }

    #[test]
    fn logits_come_in_order_whatever_the_batches_and_the_threads() {
        let config = CnnConfig { epochs: 1, ..tiny() };
        let trained = run(&config, true, 7).unwrap();
        let set = sentences(3000, true, 9);
        let all = trained.logits(&set).unwrap();
        for i in [0, 17, 2999] {
            assert!((trained.logits(&set.subset(&[i])).unwrap()[0] - all[i]).abs() < 1e-5);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = pool.install(|| run(&config, true, 7).unwrap().logits(&set).unwrap());
        assert_eq!(alone, all);
        assert_ne!(run(&config, true, 8).unwrap().logits(&set).unwrap(), all);
        assert!(trained.logits(&Encoded::new()).unwrap().is_empty());
        // An empty sentence has a score too, and a long one the score of its beginning.
        let odd: Encoded = [vec![], vec![3; 64], vec![3; 5000]].into_iter().collect();
        let odd = trained.logits(&odd).unwrap();
        assert!(odd[0].is_finite() && (odd[1] - odd[2]).abs() < 1e-5);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let message = |config: CnnConfig| run(&config, true, 1).unwrap_err().to_string();
        assert!(message(CnnConfig { batch: 7, ..tiny() }).contains("even"));
        assert!(message(CnnConfig { length: 0, ..tiny() }).contains("1 to 4096"));
        assert!(message(CnnConfig { l2: -1.0, ..tiny() }).contains("l2"));
        assert!(message(CnnConfig { filters: vec![3], ..tiny() }).contains("2 widths, 1 numbers"));
        let trained = run(&CnnConfig { epochs: 1, ..tiny() }, true, 1).unwrap();
        let unknown: Encoded = [vec![1], vec![2, 12]].into_iter().collect();
        let message = trained.logits(&unknown).unwrap_err().to_string();
        assert_eq!(message, "scored sentence 2 has token id 12: expected ids below 12");
    }

    #[test]
    fn a_training_does_not_go_on_with_other_sentences_of_the_same_number() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
        let (device, config) = (device::parse("cpu").unwrap(), CnnConfig { epochs: 1, ..tiny() });
        let go = |real: &Encoded| {
            let (generated, valid) = (sentences(40, false, 2), sentences(20, true, 3));
            let job = Job {
                config: &config,
                train: (real, &generated),
                valid: (&valid, &generated),
                vocabulary_size: 12,
                device: &device,
                checkpoints: Some(&checkpoints),
            };
            job.run(Seed::new(7), Watch::new(&Cancel::default(), &Silent)).map(|trained| trained.best)
        };
        let real = sentences(40, true, 1);
        let first = go(&real).unwrap();
        assert_eq!(go(&real).unwrap(), first);
        let mut other: Vec<Vec<u32>> = real.iter().map(<[u32]>::to_vec).collect();
        other[17][0] ^= 1;
        assert!(go(&other.into_iter().collect()).unwrap_err().to_string().contains("train:40:"));
    }

    #[test]
    fn sizes_that_no_memory_holds_are_refused_before_anything_is_allocated() {
        let message = |config: CnnConfig| config.check().unwrap_err().to_string();
        assert!(message(CnnConfig { embedding: usize::MAX, ..tiny() }).contains("parameters"));
        assert!(message(CnnConfig { widths: vec![1 << 40, 2], ..tiny() }).contains("parameters"));
        assert!(message(CnnConfig { filters: vec![usize::MAX, 2], ..tiny() }).contains("parameters"));
        assert!(message(CnnConfig { learning_rate: f64::NAN, ..tiny() }).contains("learning_rate"));
    }

    #[test]
    fn knobs_survive_json_and_unknown_ones_are_refused() {
        for config in [CnnConfig::small(), CnnConfig::dd(), CnnConfig::filter(), CnnConfig::seqgan()] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<CnnConfig>(&text).unwrap(), config);
            config.check().unwrap();
        }
        assert_eq!(CnnConfig::filter().keep, 1.0);
        assert!(serde_json::from_str::<CnnConfig>(r#"{"filter": [1]}"#).is_err());
        assert!(CnnConfig::small().signature().starts_with("cnn|emb:64|widths:2,3|filters:64,64|"));
    }
}
