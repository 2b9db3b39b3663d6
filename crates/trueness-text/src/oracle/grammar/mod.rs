//! A probabilistic grammar of English image captions, such as
//! "a black dog is sitting on the red bench near some trees .".
//!
//! The grammar is compiled into a deterministic acyclic automaton, so that each sentence has one
//! derivation: its density is a product along one path, the entropy is exact, and so is the total
//! variation between two settings of the knobs, which move the language by a known distance. Lexical
//! weights follow Zipf's law; a verb agrees with its subject in number across what stands between them,
//! and depends on the kind of the subject.

mod automaton;
mod build;
mod lexicon;
mod total_variation;

use super::Oracle;
use crate::corpus::{Encoded, Vocabulary};
use crate::{Error, Result};
use automaton::Automaton;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::Seed;

/// How far a grammar is moved from the default one, fault by fault. All knobs lie in [0, 1]; at 0 the fault
/// is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrammarKnobs {
    /// The probability that a finite verb has the wrong number ("a dog are", "two dogs sits").
    pub agreement: f64,
    /// The probability that a determiner is doubled ("a a dog").
    pub repetition: f64,
    /// The probability that a verb is drawn without regard to its subject ("a kettle is grazing"). The
    /// expected frequency of every word stays as it is; only their joint law changes.
    pub selection: f64,
    /// The tilt of the nouns' weights: Zipf's exponent is 1 + this.
    pub lexicon: f64,
    /// The probability, at each place, that the sentence breaks off after the preposition ("a dog sits on").
    pub truncation: f64,
    /// The loss of diversity: all lexical weights are raised to the power 1/T with T = 1 − 0.9 × this. It
    /// makes no ungrammatical sentence; it hurts recall, not precision.
    pub diversity: f64,
}

impl GrammarKnobs {
    /// The knobs by name, in a fixed order.
    fn by_name(&self) -> [(&'static str, f64); 6] {
        let Self { agreement, repetition, selection, lexicon, truncation, diversity } = *self;
        [
            ("agreement", agreement),
            ("repetition", repetition),
            ("selection", selection),
            ("lexicon", lexicon),
            ("truncation", truncation),
            ("diversity", diversity),
        ]
    }

    fn check(&self) -> Result<()> {
        match self.by_name().into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            None => Ok(()),
            Some((name, value)) => {
                Err(Error::Input(format!("the grammar's knob {name} must lie between 0 and 1; got {value}")))
            }
        }
    }
}

/// A grammar of captions with exact densities: see the [module](self).
#[derive(Clone, Debug)]
pub struct Grammar {
    knobs: GrammarKnobs,
    automaton: Automaton,
}

impl Default for Grammar {
    fn default() -> Self {
        let knobs = GrammarKnobs::default();
        Self { automaton: build::build(&lexicon::CAPTIONS, &knobs), knobs }
    }
}

impl Grammar {
    /// The grammar with knobs.
    ///
    /// # Errors
    /// If a knob lies outside [0, 1].
    pub fn new(knobs: GrammarKnobs) -> Result<Self> {
        knobs.check()?;
        Ok(Self { automaton: build::build(&lexicon::CAPTIONS, &knobs), knobs })
    }

    /// The knobs.
    pub fn knobs(&self) -> &GrammarKnobs {
        &self.knobs
    }

    /// The entropy in nats per sentence; exact.
    pub fn entropy(&self) -> f64 {
        self.automaton.entropy()
    }

    /// The expected number of tokens in a sentence; exact.
    pub fn mean_length(&self) -> f64 {
        self.automaton.mean_length()
    }

    /// How many sentences have a positive probability.
    pub fn n_sentences(&self) -> f64 {
        self.automaton.n_sentences()
    }

    /// How often each word is expected in a sentence, by token id; exact.
    pub fn expected_counts(&self) -> Vec<f64> {
        self.automaton.expected_counts()
    }

    /// The total variation ½ Σₓ |p(x) − q(x)| to another grammar, in [0, 1], to within 0.001: the middle of
    /// [`total_variation_bounds`](Self::total_variation_bounds). `None` where the bounds are further apart.
    pub fn total_variation(&self, other: &Self) -> Option<f64> {
        let (low, high) = self.total_variation_bounds(other)?;
        (high - low <= 0.002).then_some((low + high) / 2.0)
    }

    /// A lower and an upper bound of the total variation to another grammar, by a dynamic programme over
    /// the automaton's states and the likelihood ratios of the prefixes that reach them. They coincide up
    /// to rounding where there are few distinct ratios (the knobs agreement, repetition, selection and
    /// truncation); else the ratios are put on a grid. `None` if the two grammars have different words.
    pub fn total_variation_bounds(&self, other: &Self) -> Option<(f64, f64)> {
        let same = self.automaton.same_shape(&other.automaton);
        same.then(|| total_variation::bounds(&self.automaton, &other.automaton))
    }
}

impl Oracle for Grammar {
    fn vocabulary(&self) -> &Vocabulary {
        &self.automaton.vocabulary
    }

    fn sample(&self, n: usize, seed: Seed) -> Encoded {
        let draw = |i| self.automaton.sample(&mut seed.nth(i as u64).rng());
        (0..n).into_par_iter().map(draw).collect::<Vec<_>>().into_iter().collect()
    }

    fn log_density(&self, sentences: &Encoded) -> Vec<f64> {
        let sentences: Vec<&[u32]> = sentences.iter().collect();
        sentences.into_par_iter().map(|sentence| self.automaton.log_density(sentence)).collect()
    }

    fn exact_entropy(&self) -> Option<f64> {
        Some(self.entropy())
    }

    fn signature(&self) -> String {
        let moved = self.knobs.by_name().into_iter().filter(|(_, value)| *value != 0.0);
        moved.fold("caption-grammar:1".to_owned(), |text, (name, value)| format!("{text}|{name}:{value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::lexicon::{Complement, Lexicon, Nouns, Preposition, Subject, Verb};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    static PLACES: Nouns = Nouns { nouns: &[("mat", "mats"), ("bed", "beds")], sizes: &[], colours: &[] };
    static HATS: Nouns = Nouns { nouns: &[("hat", "hats")], sizes: &[], colours: &["red", "blue"] };
    static ON: Preposition = Preposition { word: "on", places: &PLACES };
    static SIT: Verb =
        Verb { participle: "sitting", singular: "sits", plural: "sit", complement: Complement::Place(&[&ON]) };
    static SEE: Verb =
        Verb { participle: "seeing", singular: "sees", plural: "see", complement: Complement::Object(&HATS) };
    /// A grammar small enough to write out all of its sentences.
    static TINY: Lexicon = Lexicon {
        singular: &["a"],
        plural: &["two"],
        sizes: &[],
        colours: &[],
        subjects: &[
            Subject { share: 0.6, nouns: &[("cat", "cats"), ("dog", "dogs")], belongings: &HATS, verbs: &[&SEE, &SIT] },
            Subject { share: 0.4, nouns: &[("mug", "mugs")], belongings: &HATS, verbs: &[&SIT] },
        ],
        places: &[&ON],
        second_clause: 0.0,
    };

    fn tiny(knobs: &GrammarKnobs) -> Automaton {
        build::build(&TINY, knobs)
    }

    fn brute_force(p: &Automaton, q: &Automaton) -> f64 {
        let mut masses: BTreeMap<Vec<u32>, (f64, f64)> = BTreeMap::new();
        p.enumerate().into_iter().for_each(|(sentence, mass)| masses.entry(sentence).or_default().0 += mass);
        q.enumerate().into_iter().for_each(|(sentence, mass)| masses.entry(sentence).or_default().1 += mass);
        masses.values().map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
    }

    #[test]
    fn every_state_is_deterministic_and_sums_to_one() {
        for automaton in [Grammar::default().automaton, Grammar::new(some_knobs(0.3)).unwrap().automaton] {
            for arcs in &automaton.states()[1..] {
                assert!(arcs.windows(2).all(|pair| pair[0].token < pair[1].token), "{arcs:?}");
                assert!((arcs.iter().map(|arc| arc.probability).sum::<f64>() - 1.0).abs() < 1e-12, "{arcs:?}");
            }
        }
    }

    fn some_knobs(x: f64) -> GrammarKnobs {
        GrammarKnobs { agreement: x, repetition: x / 2.0, selection: x, lexicon: x, truncation: x / 3.0, diversity: x }
    }

    #[test]
    fn no_word_after_the_article_begins_with_a_vowel() {
        let grammar = Grammar::default();
        let vocabulary = grammar.vocabulary();
        let article = vocabulary.id("a").unwrap();
        for arc in grammar.automaton.states().iter().flatten().filter(|arc| arc.token == article) {
            for next in &grammar.automaton.states()[arc.to as usize] {
                let word = vocabulary.word(next.token);
                assert!(word == "a" || !word.starts_with(['a', 'e', 'i', 'o', 'u']), "a {word}");
            }
        }
    }

    #[test]
    fn the_small_language_sums_to_one_and_has_its_entropy() {
        let automaton = tiny(&some_knobs(0.4));
        let sentences = automaton.enumerate();
        let distinct: std::collections::BTreeSet<&Vec<u32>> = sentences.iter().map(|(sentence, _)| sentence).collect();
        assert_eq!(distinct.len(), sentences.len(), "a sentence has two derivations");
        assert_eq!(sentences.len() as f64, automaton.n_sentences());
        assert!((sentences.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((sentences.iter().map(|(_, p)| -p * p.ln()).sum::<f64>() - automaton.entropy()).abs() < 1e-10);
        let length: f64 = sentences.iter().map(|(sentence, p)| p * sentence.len() as f64).sum();
        assert!((length - automaton.mean_length()).abs() < 1e-10);
        for (sentence, p) in sentences.iter().step_by(97) {
            assert!((automaton.log_density(sentence) - p.ln()).abs() < 1e-10);
            assert_eq!(automaton.log_density(&sentence[..1]), f64::NEG_INFINITY);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4))]
        #[test]
        fn total_variation_matches_the_sum_over_all_sentences(
            a in proptest::array::uniform6(0f64..1.0),
            b in proptest::array::uniform6(0f64..1.0),
        ) {
            let knobs = |[agreement, repetition, selection, lexicon, truncation, diversity]: [f64; 6]| {
                GrammarKnobs { agreement, repetition, selection, lexicon, truncation, diversity }
            };
            let (p, q) = (tiny(&knobs(a)), tiny(&knobs(b)));
            let exact = brute_force(&p, &q);
            let (low, high) = total_variation::bounds(&p, &q);
            prop_assert!(low <= exact + 1e-9 && exact <= high + 1e-9, "{low} {exact} {high}");
            prop_assert!(high - low < 1e-6, "{low} {high}");
        }
    }
}
