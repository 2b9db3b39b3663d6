//! The names of metrics, the same in every tool and study, with what `explain` says of them.

/// Which end of a metric is better for a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Lower values.
    Lower,
    /// Higher values.
    Higher,
    /// Neither by itself.
    Neither,
}

/// What is known of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// Its name in `--json`, in claims and in tables.
    pub name: &'static str,
    /// The group that `--only` chooses it by.
    pub group: &'static str,
    /// A short title.
    pub title: &'static str,
    /// Which end is better.
    pub better: Better,
    /// What it says, how it is computed, and what its interval means.
    pub about: &'static str,
}

use Better::{Higher, Lower, Neither};

const BLEU: &str = "The mean over candidate sentences of sentence BLEU with all real sentences as references: geometric \
mean of clipped n-gram precisions up to order n, brevity penalty with the closest reference length, smoothing method 1 \
(a count of 0 becomes 0.1). It rises with the number of references: compare equal sizes only. The interval is a bootstrap \
over candidate sentences with the references held fixed. Measured at level .9 on 100 draws of 1,000 sentences from grammars, \
it held the mean in .88 to .93 of draws with the references fixed, and in .81 to .87 where they were drawn again too.";
const SELF_BLEU: &str = "BLEU of each candidate sentence with all other candidate sentences as references, never itself. \
High values mean that the generator repeats itself. It rises with the number of sentences: compare equal sizes only, and \
compare with the real text's own value. The interval is a delete-a-group jackknife over sentences, which a bootstrap must \
not replace, since it would put copies of a sentence among its own references. It errs to the safe side: measured coverage at level .9 was .94 to .98.";
const REVERSE_BLEU: &str = "BLEU with the roles changed: real sentences are the hypotheses, candidate sentences the \
references. Low values mean that the generator leaves out what real text holds. The interval is a bootstrap over real \
sentences with the candidate held fixed. Measured coverage at level .9 was .84 to .89, and .85 to .87 where the candidate \
was drawn again too.";
const DISTINCT: &str = "The share of distinct n-grams among all n-grams of the candidate. It falls with the size of the \
text: compare equal sizes only. The interval is a delete-a-group jackknife. Measured coverage at level .9 was .89 to .99.";

macro_rules! cards {
    ($($name:literal $group:literal $better:ident $title:literal $about:expr;)*) => {
        /// Every metric that the text toolkit measures.
        pub const CATALOGUE: &[Card] =
            &[$(Card { name: $name, group: $group, title: $title, better: $better, about: $about }),*];
    };
}

cards! {
    "dd" "dd" Lower "distributional discrepancy" "2·accuracy − 1 of a classifier of real against generated sentences on \
held-out data: 0 where no classifier tells them apart, 1 where one always does. With the optimal classifier it equals the \
total variation between the two distributions; a trained one gives a lower bound in expectation. The interval is \
over held-out sentences and classifier seeds, with the training sentences given: where both texts were drawn again, and \
the classifiers with them, it held the mean in .79 of 100 draws at level .9. Copies of a real sentence are kept in one part. The floor (dd-floor) is the same for two halves of the real text.";
    "dd-floor" "dd" Neither "real against real" "DD of two random halves of the real text: what the method finds where there is nothing to find, at the sample size of a half.";
    "dd-excess" "dd" Lower "excess over the floor" "DD of the candidate minus the floor, both at the floor's sample size.";
    "dd-p" "dd" Neither "permutation p-value" "The share of permutations of the held-out labels, the identity included, whose DD is at least the one found. Exact where sentences are independent draws, since no held-out sentence was seen in training; too small where a text repeats its sentences more than independent draws would.";
    "d-relative" "dd" Lower "relative distance" "mean D over real minus mean D over generated held-out sentences, D = P(real). With the optimal D it is ½Σ(p−q)²/(p+q). The interval takes the classifier and its calibration as given; where the texts were drawn again it held the mean in .59 of draws at level .9.";
    "d-absolute" "dd" Lower "absolute-weighted distance" "mean of D·s over real minus mean over generated held-out sentences, s = +1 where D > ½, else −1. With the optimal D it is Σ|p−q|·D. Where the texts were drawn again the interval held the mean in .79 of draws at level .9.";
    "tv" "dd" Lower "plug-in total variation" "The mean of |2D − 1| over the balanced mixture: the total variation if D were calibrated and optimal. Only as good as the calibration error beside it. The interval takes the calibration as given, which moves the value most: where the texts were drawn again it held the mean in .19 of draws at level .9.";
    "auc" "dd" Lower "area under the ROC curve" "The probability that a real sentence scores above a generated one; one half where the classifier tells nothing. Where the texts were drawn again the interval held the mean in .78 of draws at level .9.";
    "ece" "dd" Neither "calibration error" "Expected calibration error of D over 15 bins of equal size, after Platt scaling on validation sentences.";
    "dd-length" "dd" Neither "DD by length alone" "DD of a classifier that sees only the number of tokens. Where it is large, lengths give the generator away.";
    "dd-punctuation" "dd" Neither "DD by punctuation alone" "DD of a classifier that sees only punctuation marks and the first letter's case. Where it is large, formatting gives the generator away.";
    "dd-words" "dd" Neither "DD by words alone" "DD of a classifier that sees which words occur, not their order. Where it reaches most of DD, the two texts differ in topic or vocabulary.";
    "bleu-2" "bleu" Higher "BLEU-2" BLEU;
    "bleu-3" "bleu" Higher "BLEU-3" BLEU;
    "bleu-4" "bleu" Higher "BLEU-4" BLEU;
    "bleu-5" "bleu" Higher "BLEU-5" BLEU;
    "self-bleu-2" "self-bleu" Lower "self-BLEU-2" SELF_BLEU;
    "self-bleu-3" "self-bleu" Lower "self-BLEU-3" SELF_BLEU;
    "self-bleu-4" "self-bleu" Lower "self-BLEU-4" SELF_BLEU;
    "self-bleu-5" "self-bleu" Lower "self-BLEU-5" SELF_BLEU;
    "reverse-bleu-2" "reverse-bleu" Higher "reverse BLEU-2" REVERSE_BLEU;
    "reverse-bleu-3" "reverse-bleu" Higher "reverse BLEU-3" REVERSE_BLEU;
    "reverse-bleu-4" "reverse-bleu" Higher "reverse BLEU-4" REVERSE_BLEU;
    "reverse-bleu-5" "reverse-bleu" Higher "reverse BLEU-5" REVERSE_BLEU;
    "lm-score" "lm" Lower "LM score" "Nats per token of the candidate under a modified Kneser–Ney n-gram model of the real text: low for fluent text, and for text that repeats the most likely phrases. The interval is a bootstrap over sentences with the model fixed. Measured coverage at level .9 was .95, and .90 where the real text was drawn again too.";
    "reverse-lm-score" "lm" Lower "reverse LM score" "Nats per token of the real text under a modified Kneser–Ney n-gram model of the candidate: high where the candidate leaves out what real text holds. The interval is a bootstrap over sentences with the model fixed. Measured coverage at level .9 was .87, and .89 where the candidate was drawn again too.";
    "neural-lm-score" "lm" Lower "neural LM score" "Nats per token, sentence ends included, of the candidate under a network that the real text trained, a tenth of it choosing the pass. Measured where --neural-lm names a network. The interval is a bootstrap over sentences with the network fixed.";
    "reverse-neural-lm-score" "lm" Lower "reverse neural LM score" "Nats per token, sentence ends included, of the real text under a network that the candidate trained, a tenth of it choosing the pass: high where the candidate leaves out what real text holds. Measured where --neural-lm names a network. The interval is a bootstrap over sentences with the network fixed.";
    "frechet" "frechet" Lower "Fréchet distance" "|μ_r−μ_g|² + Tr(C_r+C_g−2(C_r C_g)^½) between sentence embeddings (hashed n-grams unless others are given), corrected for bias and with the interval of a delete-a-group jackknife, which lets groups leave both texts. Measured coverage at level .9 was .95 to .99.";
    "frontier" "frontier" Higher "divergence frontier (MAUVE)" "The area under the divergence curve of quantised embeddings (Pillutla et al. 2021), between 0 and 1. Its scale depends on the embedding and on the number of clusters: compare only values with the same signature. The interval is wider than need be: at level .9 it held the mean in all of 100 draws.";
    "frontier-star" "frontier" Higher "MAUVE*" "MAUVE with half a count added to every bin.";
    "frontier-integral" "frontier" Lower "frontier integral" "The integral of the divergence frontier; 0 for equal distributions.";
    "distinct-1" "diversity" Higher "distinct-1" DISTINCT;
    "distinct-2" "diversity" Higher "distinct-2" DISTINCT;
    "distinct-3" "diversity" Higher "distinct-3" DISTINCT;
    "distinct-4" "diversity" Higher "distinct-4" DISTINCT;
    "compression-ratio" "diversity" Lower "compression ratio" "Bytes of the text over bytes of its deflated form: high for text that repeats itself. Measured coverage of the interval at level .9 was .99.";
    "self-repetition-4" "diversity" Lower "self-repetition" "How much the sentences repeat each other's 4-grams (Salkar et al. 2022). Measured coverage of the interval at level .9 was .93 to .98.";
    "novelty" "diversity" Higher "novelty of sentences" "The share of candidate sentences that do not stand in the real text word for word. Measured coverage of the interval at level .9 was .97, and .95 where the real text was drawn again too.";
    "nll-oracle" "training" Lower "NLL-oracle" "Nats per token of a generator's samples under the oracle that it learned from. Of quality alone: whoever repeats the oracle's likeliest sentence falls below its entropy. The interval is a bootstrap over sentences.";
    "oracle-entropy" "training" Neither "entropy of the oracle" "Nats per token of the oracle's own samples under itself: what NLL-oracle would be if the generator were the oracle. Oracles differ in it, so that NLL-oracle is never compared between oracles.";
    "nll-gen" "training" Lower "NLL-gen" "Nats per token of real sentences under the generator: of an oracle's, which neither trained nor chose it, and then no lower than the oracle's entropy; else of the held-out ones, which chose the pass. The interval is a bootstrap over sentences.";
    "nll-div" "training" Neither "NLL-div" "Nats per token of a generator's own samples under itself: its entropy. Lower than real text's NLL where the generator is less diverse. The interval is a bootstrap over sentences.";
    "dd-density" "training" Lower "DD by densities" "DD computed from the densities of both sides, at sentences of both: a consistent estimate of the total variation, with no classifier. The interval is of independent sentences.";
    "jeffreys" "training" Lower "Jeffreys' divergence" "KL from the oracle to the generator plus KL back, in nats per sentence, from the densities of both sides at sentences of both. It tells generators apart that are all at DD 1. The interval is of independent sentences.";
    "valid-nll" "training" Lower "validation NLL" "Nats per token, sentence ends included, of the sentences that chose the pass, words that the model does not know left out, as in the loss that chose. Slightly too good, since they chose. The interval is a bootstrap over sentences.";
    "valid-perplexity" "training" Lower "validation perplexity" "e to the validation NLL.";
    "length" "training" Neither "length of samples" "Mean tokens of a generator's samples at temperature 1.";
    "token-entropy" "training" Neither "entropy of tokens" "Entropy in nats of the tokens of samples, each sentence's tokens pooled with all others': low where a few words are said over and over. It is too low by about (different tokens − 1)/(2·tokens). The interval is a bootstrap over sentences.";
    "distinct-sentences" "training" Neither "different sentences" "The share of samples that differ. It falls with the number of samples.";
    "generator-loss" "training" Neither "generator's loss" "What the generator minimised in a round, the mean over its steps. Losses of adversaries do not fall as learning goes on.";
    "discriminator-loss" "training" Neither "discriminator's loss" "What the discriminator minimised in a round: log 2 where it tells nothing.";
    "acceptance" "filter" Neither "acceptance" "The share of generated sentences that a filter keeps, counted on sentences that it never saw, with Wilson's interval.";
    "cost" "filter" Lower "cost" "How many sentences have to be generated for one that a filter keeps.";
    "dd-change" "filter" Lower "change of DD" "DD of what a filter keeps minus DD of what was generated, by fresh classifiers on equally many sentences, paired over held-out real sentences. Above 0 the filter does harm. As for DD, the interval takes the classifiers as given: of other trainings it covers less than it says.";
    "novelty-4" "diversity" Higher "novelty of 4-grams" "The share of the candidate's 4-grams that do not stand in the real text. Measured coverage of the interval at level .9 was .89, and .86 where the real text was drawn again too.";
}

/// The card of a metric, if it is known.
pub fn card(name: &str) -> Option<&'static Card> {
    CATALOGUE.iter().find(|card| card.name == name)
}
