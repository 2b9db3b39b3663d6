//! The caption grammar, written from the end of the sentence to its beginning: each part is given the
//! state that comes after it.
//!
//! ```text
//! sentence  → clause "." | clause "while" clause "."
//! clause    → subject predicate
//! subject   → phrase | phrase "and" phrase (of the same kind; plural) | phrase "with" phrase
//! predicate → participle | is/are participle | finite verb, each with the verb's complement
//! complement → preposition phrase | phrase | phrase preposition phrase
//! phrase    → determiner size? colour? noun
//! ```

use super::GrammarKnobs;
use super::automaton::{Arc, Arcs, Automaton, FINAL, StateId};
use super::lexicon::{Complement, Lexicon, Nouns, Preposition, Verb};

/// How often a noun phrase is plural, and has each of its adjectives.
const PLURAL: f64 = 0.25;
const SIZE: f64 = 0.25;
const COLOUR: f64 = 0.3;
/// How often a subject is two phrases joined by "and", and how often one phrase has something with it.
const JOINED: f64 = 0.08;
const WITH: f64 = 0.12;
/// How often a predicate is "is sitting" and "sits"; the rest is "sitting".
const PROGRESSIVE: f64 = 0.4;
const SIMPLE: f64 = 0.2;
/// How often a place follows an object.
const OBJECT_PLACE: f64 = 0.5;
/// The share of clauses whose verb shows its number.
pub(super) const FINITE: f64 = PROGRESSIVE + SIMPLE;

/// Builds the automaton of a grammar. Its shape depends on the lexicon alone; what a knob rules out stays
/// as an arc of probability 0, so that any two settings can be compared arc by arc.
pub(super) fn build(lexicon: &Lexicon, knobs: &GrammarKnobs) -> Automaton {
    let mut builder = Builder { lexicon, knobs, automaton: Automaton::new(), phrases: Vec::new(), places: Vec::new() };
    builder.sentence();
    builder.automaton
}

struct Builder<'a> {
    lexicon: &'a Lexicon,
    knobs: &'a GrammarKnobs,
    automaton: Automaton,
    /// Phrases that were built before, by their nouns and the state after them: sharing them keeps the
    /// automaton small.
    phrases: Vec<(&'static Nouns, StateId, Arcs)>,
    /// The states after prepositions that were built before, by the state after the place.
    places: Vec<(&'static Preposition, StateId, StateId)>,
}

/// Zipf's law: the weight of rank r is r^−s.
fn zipf(n: usize, exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=n).map(|rank| (rank as f64).powf(-exponent)).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// One of several ways, chosen with the given probabilities. Their first words must differ.
fn either<const N: usize>(ways: [(f64, Arcs); N]) -> Arcs {
    let scale = |(share, arcs): (f64, Arcs)| {
        arcs.into_iter().map(move |arc| Arc { probability: share * arc.probability, ..arc })
    };
    ways.into_iter().flat_map(scale).collect()
}

impl Builder<'_> {
    /// The exponent that a loss of diversity puts on all lexical weights: 1/T with T from 1 to 0.1.
    fn sharpness(&self) -> f64 {
        1.0 / (1.0 - 0.9 * self.knobs.diversity)
    }

    /// One word of a list by Zipf's law.
    fn words<'w>(&mut self, words: impl ExactSizeIterator<Item = &'w str>, exponent: f64, to: StateId) -> Arcs {
        let weights = zipf(words.len(), exponent * self.sharpness());
        words.zip(weights).map(|(word, weight)| self.automaton.word(word, weight, to)).collect()
    }

    fn word(&mut self, word: &str, to: StateId) -> Arcs {
        vec![self.automaton.word(word, 1.0, to)]
    }

    /// One noun by Zipf's law, whose exponent the lexicon knob raises from 1 to 2.
    fn noun(&mut self, nouns: &[(&'static str, &'static str)], plural: bool, to: StateId) -> Arcs {
        let form = |&(one, many): &(&'static str, &'static str)| if plural { many } else { one };
        self.words(nouns.iter().map(form), 1.0 + self.knobs.lexicon, to)
    }

    /// A determiner, perhaps doubled, and perhaps adjectives before a noun.
    fn phrase(&mut self, sizes: &[&'static str], colours: &[&'static str], plural: bool, noun: Arcs) -> Arcs {
        let before_noun = self.automaton.state(noun.clone());
        let colour = self.words(colours.iter().copied(), 1.0, before_noun);
        let share = if colours.is_empty() { 0.0 } else { COLOUR };
        let after_size = either([(1.0 - share, noun), (share, colour)]);
        let before_colour = self.automaton.state(after_size.clone());
        let size = self.words(sizes.iter().copied(), 1.0, before_colour);
        let share = if sizes.is_empty() { 0.0 } else { SIZE };
        let after_determiner = either([(1.0 - share, after_size), (share, size)]);
        let body = self.automaton.state(after_determiner.clone());
        let determiners = if plural { self.lexicon.plural } else { self.lexicon.singular };
        let repetition = self.knobs.repetition;
        let mut arcs = self.words(determiners.iter().copied(), 2.0, body);
        for (arc, determiner) in arcs.iter_mut().zip(determiners) {
            let again = self.word(determiner, body);
            let once = either([(1.0 - repetition, after_determiner.clone()), (repetition, again)]);
            arc.to = self.automaton.state(once);
        }
        arcs
    }

    /// A phrase of either number.
    fn phrase_of(&mut self, nouns: &'static Nouns, to: StateId) -> Arcs {
        let known = self.phrases.iter().find(|(other, after, _)| std::ptr::eq(*other, nouns) && *after == to);
        if let Some((_, _, arcs)) = known {
            return arcs.clone();
        }
        let [one, many] = [false, true].map(|plural| {
            let noun = self.noun(nouns.nouns, plural, to);
            self.phrase(nouns.sizes, nouns.colours, plural, noun)
        });
        let arcs = either([(1.0 - PLURAL, one), (PLURAL, many)]);
        self.phrases.push((nouns, to, arcs.clone()));
        arcs
    }

    /// The state after a preposition, where the sentence may break off.
    fn after_preposition(&mut self, preposition: &'static Preposition, to: StateId) -> StateId {
        let known = self.places.iter().find(|(other, after, _)| std::ptr::eq(*other, preposition) && *after == to);
        if let Some((_, _, state)) = known {
            return *state;
        }
        let truncation = self.knobs.truncation;
        let place = self.phrase_of(preposition.places, to);
        let broken = self.automaton.stop();
        let state = self.automaton.state(either([(1.0 - truncation, place), (truncation, broken)]));
        self.places.push((preposition, to, state));
        state
    }

    /// A preposition and its place.
    fn place(&mut self, prepositions: &[&'static Preposition], to: StateId) -> Arcs {
        let mut arcs = self.words(prepositions.iter().map(|preposition| preposition.word), 1.0, to);
        for (arc, preposition) in arcs.iter_mut().zip(prepositions) {
            arc.to = self.after_preposition(preposition, to);
        }
        arcs
    }

    /// The state after a verb; `end` is the state at the clause's end, `after_object` that after an object.
    fn complement(&mut self, verb: &Verb, end: StateId, after_object: StateId) -> StateId {
        let arcs = match verb.complement {
            Complement::Place(prepositions) => self.place(prepositions, end),
            Complement::Object(nouns) => self.phrase_of(nouns, after_object),
        };
        self.automaton.state(arcs)
    }

    /// All verbs, and for each kind of subject the law by which it takes them. The selection knob mixes
    /// that law with the law of verbs over all subjects, which leaves every word's frequency as it is.
    fn verbs(&self) -> (Vec<&'static Verb>, Vec<Vec<f64>>) {
        let mut verbs: Vec<&'static Verb> = Vec::new();
        for &verb in self.lexicon.subjects.iter().flat_map(|subject| subject.verbs) {
            if !verbs.iter().any(|known| std::ptr::eq(*known, verb)) {
                verbs.push(verb);
            }
        }
        let mut laws = vec![vec![0.0; verbs.len()]; self.lexicon.subjects.len()];
        let mut overall = vec![0.0; verbs.len()];
        for (subject, law) in self.lexicon.subjects.iter().zip(&mut laws) {
            let weights = zipf(subject.verbs.len(), self.sharpness());
            for ((known, probability), overall) in verbs.iter().zip(law).zip(&mut overall) {
                if let Some(rank) = subject.verbs.iter().position(|verb| std::ptr::eq(*verb, *known)) {
                    *probability = weights[rank];
                    *overall += subject.share * weights[rank];
                }
            }
        }
        let selection = self.knobs.selection;
        for probability in laws.iter_mut().flat_map(|law| law.iter_mut().zip(&overall)) {
            *probability.0 = (1.0 - selection) * *probability.0 + selection * probability.1;
        }
        (verbs, laws)
    }

    /// A predicate in all its forms for a subject of one number.
    fn predicate(&mut self, verbs: &[&'static Verb], law: &[f64], complements: &[StateId], plural: bool) -> Arcs {
        let right = 1.0 - self.knobs.agreement;
        let (one, many) = if plural { (1.0 - right, right) } else { (right, 1.0 - right) };
        let (mut participles, mut finite) = (Arcs::new(), Arcs::new());
        for ((verb, &p), &to) in verbs.iter().zip(law).zip(complements) {
            participles.push(self.automaton.word(verb.participle, p, to));
            finite.push(self.automaton.word(verb.singular, p * one, to));
            finite.push(self.automaton.word(verb.plural, p * many, to));
        }
        let after_auxiliary = self.automaton.state(participles.clone());
        let auxiliary =
            vec![self.automaton.word("is", one, after_auxiliary), self.automaton.word("are", many, after_auxiliary)];
        either([(1.0 - FINITE, participles), (PROGRESSIVE, auxiliary), (SIMPLE, finite)])
    }

    /// A clause; `tail` is what comes after it.
    fn clause(&mut self, tail: &Arcs) -> Arcs {
        let lexicon = self.lexicon;
        let (verbs, laws) = self.verbs();
        let end = self.automaton.state(tail.clone());
        let place = self.place(lexicon.places, end);
        let after_object = either([(1.0 - OBJECT_PLACE, tail.clone()), (OBJECT_PLACE, place)]);
        let after_object = self.automaton.state(after_object);
        let complements: Vec<StateId> = verbs.iter().map(|verb| self.complement(verb, end, after_object)).collect();
        let (mut one, mut many) = (Arcs::new(), Arcs::new());
        for (subject, law) in lexicon.subjects.iter().zip(&laws) {
            let [singular, plural] = [false, true].map(|plural| self.predicate(&verbs, law, &complements, plural));
            let joined = self.automaton.state(plural.clone());
            let [second_one, second_many] = [false, true].map(|plural| {
                let noun = self.noun(subject.nouns, plural, joined);
                self.phrase(lexicon.sizes, lexicon.colours, plural, noun)
            });
            let second = self.automaton.state(either([(1.0 - PLURAL, second_one), (PLURAL, second_many)]));
            for (predicate, nouns, is_plural) in [(singular, &mut one, false), (plural, &mut many, true)] {
                let after = self.automaton.state(predicate.clone());
                let belongings = self.phrase_of(subject.belongings, after);
                let belongings = self.automaton.state(belongings);
                let and = self.word("and", second);
                let with = self.word("with", belongings);
                let after_noun = either([(JOINED, and), (WITH, with), (1.0 - JOINED - WITH, predicate)]);
                let after_noun = self.automaton.state(after_noun);
                let noun = self.noun(subject.nouns, is_plural, after_noun);
                nouns.extend(either([(subject.share, noun)]));
            }
        }
        let one = self.phrase(lexicon.sizes, lexicon.colours, false, one);
        let many = self.phrase(lexicon.sizes, lexicon.colours, true, many);
        either([(1.0 - PLURAL, one), (PLURAL, many)])
    }

    /// The whole sentence; its start is the last state.
    fn sentence(&mut self) {
        let period = self.word(".", FINAL);
        let second = self.clause(&period);
        let second = self.automaton.state(second);
        let again = self.word("while", second);
        let first =
            self.clause(&either([(1.0 - self.lexicon.second_clause, period), (self.lexicon.second_clause, again)]));
        self.automaton.state(first);
    }
}
