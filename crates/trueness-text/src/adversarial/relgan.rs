//! RelGAN (Nie, Narodytska and Patel 2019): a generator with a relational memory that learns through softened samples.
//!
//! A token is drawn as the largest of logits with Gumbel noise added; the discriminator sees softmax(β(logits + noise)) in its place, so
//! that the generator learns by gradients alone. β grows from 1 to its largest value over the rounds. Both sides have the relativistic
//! loss: real sentences are to look more real than generated ones.

use super::answers::Answers;
use super::opponent::finite;
use super::policy::{Ends, Reward};
use super::representations::{Representations, RepresentationsConfig};
use super::{Adversary, DISCRIMINATOR, GENERATOR, Losses, Scene};
use crate::error::Result;
use crate::generator::{DiscriminatorSize, Network};
use rand::RngExt;
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::burn::module::Module;
use trueness_nn::burn::tensor::{Tensor, activation};
use trueness_nn::kernel::{self, AdamConfig};
use trueness_nn::{Learner, RelationalMemory};

/// RelGAN under way.
#[derive(Clone)]
pub(super) struct RelGan {
    generator: Learner<RelationalMemory>,
    discriminator: Learner<Representations>,
    answers: Answers,
}

/// What writes the noise of a sentence's logits, given the step and the sentence's number.
type Noise<'a> = &'a (dyn Fn(usize, usize, &mut [f32]) + Sync);

/// Softened samples: distributions over tokens, `[sentences, vocabulary]` for each step.
fn softened(
    model: &RelationalMemory,
    sentences: usize,
    (start, end, longest): Ends,
    beta: f64,
    noise: Noise<'_>,
) -> Result<Vec<Tensor<2>>> {
    let mut tokens = vec![start; sentences];
    // After its end a sentence is made of ends, in which the generator has no say.
    let mut over = vec![None; sentences];
    let mut memory = model.start(sentences);
    let mut all = Vec::with_capacity(longest);
    for t in 0..longest {
        memory = model.step(kernel::embedding(model.embedding.val(), &tokens), memory);
        let logits = model.logits(memory.clone());
        let noise = |row: usize, into: &mut [f32]| noise(t, row, into);
        let soft;
        (soft, tokens) = kernel::gumbel_softmax(logits, beta as f32, &over, &noise)?;
        over = tokens.iter().map(|&token| end.filter(|&end| token == end)).collect();
        all.push(soft);
    }
    Ok(all)
}

/// Gumbel noise, other for each step and each sentence.
fn gumbel(seed: Seed) -> impl Fn(usize, usize, &mut [f32]) + Sync {
    move |step, row, into| kernel::gumbel_noise(&mut seed.nth(step as u64).nth(row as u64).rng(), into)
}

/// Sentences with their ends up to the longest length, one after another.
fn padded<S: AsRef<[u32]>>(sentences: &[S], (start, end, longest): Ends) -> Vec<u32> {
    let pad = end.unwrap_or(start);
    let one = |sentence: &S| {
        let tokens = sentence.as_ref().iter().copied().chain(std::iter::repeat(pad)).take(longest);
        tokens.collect::<Vec<u32>>()
    };
    sentences.iter().flat_map(one).collect()
}

impl RelGan {
    pub(super) fn new(scene: &Scene<'_>, model: RelationalMemory, seed: Seed) -> Result<Self> {
        let config = match scene.knobs.discriminator {
            DiscriminatorSize::Small => RepresentationsConfig::small(scene.vocabulary),
            DiscriminatorSize::Dd | DiscriminatorSize::Seqgan => RepresentationsConfig::relgan(scene.vocabulary),
        };
        let discriminator = config.init(scene.device, seed.child("discriminator"));
        Ok(Self {
            generator: Learner::new(model, AdamConfig::default().init()),
            discriminator: Learner::new(discriminator, AdamConfig::default().init()),
            answers: Answers::new(&scene.knobs.segments, scene.knobs.combine, scene.ends.2)?,
        })
    }

    /// The combined logits of embedded sentences, `[answers, sentences · representations]`.
    fn judged(&self, network: &Representations, embedded: Tensor<3>, dropout: Option<Seed>) -> Tensor<2> {
        let [sentences, time, representations] = embedded.dims();
        // At least as long as the widest filter.
        let embedded = match network.widest().saturating_sub(time) {
            0 => embedded,
            short => {
                let zeros = Tensor::zeros([sentences, short, representations], &embedded.device());
                Tensor::cat(vec![embedded, zeros], 1)
            }
        };
        let logits = network.logits(self.answers.masked(embedded), dropout);
        self.answers.combined(logits.reshape([self.answers.segments(), sentences * representations]))
    }

    /// What a side minimises (Jolicoeur-Martineau 2019): the mean of softplus(other − own) of the logits, so that its own sentences look
    /// more real than the other's. One element.
    fn loss(
        &self,
        network: &Representations,
        (own, other): (Tensor<3>, Tensor<3>),
        dropout: Option<Seed>,
    ) -> Tensor<1> {
        let own = self.judged(network, own, dropout.map(|seed| seed.child("dropout/own")));
        let other = self.judged(network, other, dropout.map(|seed| seed.child("dropout/other")));
        activation::softplus(other - own, 1.0).mean()
    }

    fn real(&self, scene: &Scene<'_>, network: &Representations, seed: Seed) -> Tensor<3> {
        let mut rng = seed.rng();
        let batch: Vec<&[u32]> =
            (0..scene.knobs.batch).map(|_| scene.real[rng.random_range(0..scene.real.len())].as_slice()).collect();
        self.embedded(network, &padded(&batch, scene.ends), scene.ends.2)
    }

    fn embedded(&self, network: &Representations, ids: &[u32], time: usize) -> Tensor<3> {
        let rows = kernel::embedding(network.embedding.val(), ids);
        let representations = rows.dims()[1];
        rows.reshape([ids.len() / time, time, representations])
    }

    /// Softened samples as the network sees them.
    fn generated(&self, network: &Representations, soft: Vec<Tensor<2>>) -> Tensor<3> {
        let seen = soft.into_iter().map(|soft| kernel::linear(soft, network.embedding.val(), None).unsqueeze_dim(1));
        Tensor::cat(seen.collect(), 1)
    }

    /// β in a round: β_max^(round / rounds) up to β_max, as in RelGAN's code, where the rounds are 5,000 whatever they really are.
    fn beta(scene: &Scene<'_>, round: u64) -> f64 {
        let over = if scene.knobs.beta_rounds == 0 { scene.knobs.rounds } else { scene.knobs.beta_rounds };
        scene.knobs.beta.powf((round as f64 / over as f64).min(1.0))
    }
}

impl Adversary for RelGan {
    fn prepare(self, _scene: &Scene<'_>, _seed: Seed, _watch: Watch<'_>) -> Result<Self> {
        Ok(self)
    }

    fn round(mut self, scene: &Scene<'_>, round: u64, seed: Seed, watch: Watch<'_>) -> Result<(Self, Losses)> {
        let knobs = scene.knobs;
        let beta = Self::beta(scene, round);
        let (mut generator, mut discriminator) = (0.0, 0.0);
        for step in 0..knobs.generator_steps {
            watch.check()?;
            let seed = seed.child("generator").nth(step as u64);
            let soft = softened(self.generator.model(), knobs.batch, scene.ends, beta, &gumbel(seed.child("noise")))?;
            // The discriminator is asked without learning: its weights take part as constants.
            let network = self.discriminator.model().clone().no_grad();
            let real = self.real(scene, &network, seed.child("real"));
            let loss = self.loss(&network, (self.generated(&network, soft), real), Some(seed));
            generator += finite("the generator", Learner::<RelationalMemory>::value(&loss)?)?;
            self.generator = self.generator.step(&loss, knobs.generator_rate(), Some(knobs.clip))?;
        }
        let mut losses = Losses::mean(generator, knobs.generator_steps);
        if knobs.reward == Reward::Discriminator {
            for step in 0..knobs.steps() {
                watch.check()?;
                let seed = seed.child("discriminator").nth(step as u64);
                let soft = softened(
                    &self.generator.model().valid(),
                    knobs.batch,
                    scene.ends,
                    beta,
                    &gumbel(seed.child("noise")),
                )?;
                let network = self.discriminator.model();
                let soft = soft.into_iter().map(|soft| Tensor::from_data(soft.into_data(), scene.device)).collect();
                let real = self.real(scene, network, seed.child("real"));
                let loss = self.loss(network, (real, self.generated(network, soft)), Some(seed));
                discriminator += finite("the discriminator", Learner::<Representations>::value(&loss)?)?;
                let rate = knobs.discriminator_learning_rate;
                self.discriminator = self.discriminator.step(&loss, rate, Some(knobs.clip))?;
            }
            losses.discriminator = (knobs.steps() > 0).then(|| discriminator / knobs.steps() as f64);
        }
        Ok((self, losses))
    }

    fn network(&self) -> Network {
        self.generator.model().valid().into()
    }

    /// σ of a sentence's mean logit above the mean logit of all of them: a relativistic discriminator says nothing absolute.
    fn probabilities(
        &self,
        scene: &Scene<'_>,
        sentences: &[Vec<u32>],
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>> {
        let network = self.discriminator.model().valid();
        let (time, batch) = (scene.ends.2, scene.knobs.batch.max(1));
        let mean = |embedded: Tensor<3>| -> Result<Vec<f32>> {
            let [sentences, _, representations] = embedded.dims();
            let logits = self.judged(&network, embedded, None).mean_dim(0);
            let logits = logits.reshape([sentences, representations]).mean_dim(1).try_into_vec_as::<f32>();
            Ok(logits.map_err(|error| {
                trueness_core::Error::Failed(format!("cannot read a discriminator's answer: {error}"))
            })?)
        };
        let real = mean(self.real(scene, &network, seed.child("real")))?;
        let level = real.iter().sum::<f32>() / real.len().max(1) as f32;
        let mut found = Vec::with_capacity(sentences.len());
        for batch in sentences.chunks(batch) {
            watch.check()?;
            found.extend(mean(self.embedded(&network, &padded(batch, scene.ends), time))?);
        }
        // A real sentence of mean looks has one half.
        Ok(found.into_iter().map(|logit| 1.0 / (1.0 + (level - logit).exp())).collect())
    }

    fn write(&self, folder: &Path) -> trueness_core::Result<()> {
        self.generator.write(folder, GENERATOR)?;
        self.discriminator.write(folder, DISCRIMINATOR)
    }

    fn resume(self, folder: &Path) -> trueness_core::Result<Self> {
        Ok(Self {
            generator: self.generator.resume(folder, GENERATOR)?,
            discriminator: self.discriminator.resume(folder, DISCRIMINATOR)?,
            ..self
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::super::{AdversarialKnobs, Combine, Method};
    use super::*;
    use safetensors::SafeTensors;
    use std::collections::BTreeMap;
    use trueness_core::{Cancel, Silent};
    use trueness_nn::{RelationalMemoryConfig, device, gradient, weights};

    /// A step that PyTorch took; `tests/it/fixtures/pytorch.py` made it.
    const PYTORCH: &[u8] = include_bytes!("../../tests/it/fixtures/relgan.safetensors");

    /// A module with the fixture's weights.
    fn loaded<M: Module>(module: M, fixture: &SafeTensors<'_>, prefix: &str) -> M {
        let tensors = fixture.tensors().into_iter();
        let tensors = tensors.filter_map(|(name, view)| Some((name.strip_prefix(prefix)?.to_owned(), view)));
        weights::load_tensors(module, tensors.collect(), &BTreeMap::new(), Path::new("relgan.safetensors")).unwrap()
    }

    /// ‖found − expected‖ / ‖expected‖ with a tensor of the fixture.
    fn error(found: &[f64], fixture: &SafeTensors<'_>, name: &str) -> f64 {
        let expected = floats(fixture, name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let square = |x: f64| x * x;
        let far: f64 = found.iter().zip(&expected).map(|(a, b)| square(a - f64::from(*b))).sum();
        (far / expected.iter().map(|b| square(f64::from(*b))).sum::<f64>()).sqrt()
    }

    /// What is by step, by sentence and then step: `[sentences · time, vocabulary]`.
    fn by_sentence(soft: &[Tensor<2>]) -> Tensor<2> {
        let steps: Vec<Tensor<3>> = soft.iter().map(|soft| soft.clone().unsqueeze_dim(1)).collect();
        Tensor::cat(steps, 1).flatten(0, 1)
    }

    fn floats(fixture: &SafeTensors<'_>, name: &str) -> Vec<f32> {
        let bytes = fixture.tensor(name).unwrap().data();
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    #[test]
    fn a_step_with_gumbel_noise_replays_pytorch() {
        let (vocabulary, sentences, longest, beta) = (7, 4, 6, 1.7);
        let device = device::parse("cpu").unwrap().autodiff();
        let fixture = SafeTensors::deserialize(PYTORCH).unwrap();
        let config = RelationalMemoryConfig { vocabulary, embedding: 5, slots: 1, heads: 2, head_size: 4 };
        let generator = loaded(config.init(&device, Seed::new(1)).unwrap(), &fixture, "generator:");
        let config = RepresentationsConfig {
            representations: 3,
            widths: vec![2, 3],
            filters: 4,
            inner: 5,
            ..RepresentationsConfig::small(vocabulary)
        };
        let judge = loaded(config.init(&device, Seed::new(2)), &fixture, "discriminator:");
        let noise = floats(&fixture, "noise");
        let noise = |step: usize, row: usize, into: &mut [f32]| {
            into.copy_from_slice(&noise[(step * sentences + row) * vocabulary..][..vocabulary]);
        };
        let soft = softened(&generator, sentences, (0, Some(0), longest), beta, &noise).unwrap();
        let values = |tensor: Tensor<2>| tensor.try_into_vec_as::<f64>().unwrap();
        assert!(error(&values(by_sentence(&soft)), &fixture, "softened") < 1e-5);
        let gan = RelGan {
            generator: Learner::new(generator, AdamConfig::default().init()),
            discriminator: Learner::new(judge, AdamConfig::default().init()),
            answers: Answers::new(&"prefixes:3".parse().unwrap(), Combine::MeanLoss, longest).unwrap(),
        };
        let (generator, judge) = (gan.generator.model(), gan.discriminator.model());
        let ids: Vec<u32> = floats(&fixture, "real").into_iter().map(|id| id as u32).collect();
        // As in a round: the generator's loss sees the discriminator as a constant, the discriminator's loss the samples.
        let network = judge.clone().no_grad();
        let (fake, real) = (gan.generated(&network, soft.clone()), gan.embedded(&network, &ids, longest));
        assert!(error(&values(gan.judged(&network, fake.clone(), None)), &fixture, "logits-generated") < 1e-5);
        assert!(error(&values(gan.judged(&network, real.clone(), None)), &fixture, "logits-real") < 1e-5);
        let constant = soft.into_iter().map(|soft| Tensor::from_data(soft.into_data(), &device)).collect();
        let own = (gan.embedded(judge, &ids, longest), gan.generated(judge, constant));
        let theirs = gan.loss(judge, own, None);
        let ours = gan.loss(&network, (fake, real), None);
        for (side, loss, found) in [
            ("generator", &ours, gradient::named(generator, &ours).unwrap()),
            ("discriminator", &theirs, gradient::named(judge, &theirs).unwrap()),
        ] {
            assert!(error(&[loss.clone().into_scalar::<f64>()], &fixture, &format!("{side}-loss")) < 1e-5);
            let all = fixture.names().into_iter().filter(|name| name.starts_with(&format!("{side}-gradient:"))).count();
            assert_eq!(found.len(), all);
            for (name, found) in found {
                // What is added to both sides' logits falls out of their difference: its gradient is what rounding leaves.
                if ["inner.bias", "output.bias"].contains(&name.as_str()) && side == "discriminator" {
                    assert!(found.iter().all(|x| x.abs() < 1e-6), "{name}: {found:?}");
                    continue;
                }
                let error = error(&found, &fixture, &format!("{side}-gradient:{name}"));
                assert!(error < 1e-4, "{side} {name}: {error:e}");
            }
        }
    }

    #[test]
    fn a_round_moves_both_sides_and_a_frozen_discriminator_stays() {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        let device = device::parse("cpu").unwrap().autodiff();
        let config = RelationalMemoryConfig { vocabulary: 6, embedding: 4, slots: 1, heads: 2, head_size: 4 };
        let real: Vec<Vec<u32>> = (0..8).map(|i| vec![1 + i % 5, 2, 3]).collect();
        for (reward, moves) in [(Reward::Discriminator, true), (Reward::Frozen, false)] {
            let knobs = AdversarialKnobs { method: Method::Relgan, batch: 4, reward, ..AdversarialKnobs::default() };
            let scene = Scene { knobs: &knobs, ends: (0, Some(0), 5), vocabulary: 6, real: &real, device: &device };
            let before = RelGan::new(&scene, config.init(&device, Seed::new(1)).unwrap(), Seed::new(2)).unwrap();
            let (after, losses) = before.clone().round(&scene, 0, Seed::new(3), watch).unwrap();
            assert!(losses.generator.is_some() && losses.discriminator.is_some() == moves);
            let still =
                |a: &Representations, b: &Representations| weights::named(a).unwrap() == weights::named(b).unwrap();
            assert_eq!(still(before.discriminator.model(), after.discriminator.model()), !moves);
            // Every weight of the generator learns: the gradient goes through all of it.
            let (old, new) = (before.generator.model(), after.generator.model());
            for ((name, old), new) in weights::named(old).unwrap().iter().zip(weights::named(new).unwrap().values()) {
                assert!(old != new, "{name} has not moved");
            }
        }
    }

    #[test]
    fn softened_samples_are_distributions_and_end_in_ends() {
        let device = device::parse("cpu").unwrap();
        let config = RelationalMemoryConfig { vocabulary: 4, embedding: 4, slots: 1, heads: 1, head_size: 4 };
        let model = config.init(&device, Seed::new(1)).unwrap();
        let soft = softened(&model, 6, (0, Some(0), 7), 1000.0, &gumbel(Seed::new(4))).unwrap();
        let rows = by_sentence(&soft).try_into_vec_as::<f32>().unwrap();
        assert_eq!(rows.len(), 6 * 7 * 4);
        let mut ended = 0;
        for sentence in rows.chunks_exact(7 * 4) {
            let mut over = false;
            for row in sentence.chunks_exact(4) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
                if over {
                    assert_eq!(row, [1.0, 0.0, 0.0, 0.0]);
                    ended += 1;
                }
                // At so large a β a sample is all but one token.
                over |= row[0] > 0.5;
            }
        }
        assert!(ended > 0);
    }
}
