//! Benchmarks: `cargo bench -p trueness-text`.

use rand::RngExt;
use trueness_core::Seed;
use trueness_text::corpus::Encoded;
use trueness_text::metric::bleu::{Orders, References, self_scores};
use trueness_text::metric::diversity::distinct;

fn main() {
    divan::main();
}

/// Sentences of 6 to 15 words, the r-th word about as often as 1/r: as long and as repetitive as
/// captions.
fn captions(n: usize, seed: u64) -> Encoded {
    let mut rng = Seed::new(seed).rng();
    let mut sentences = Encoded::new();
    for _ in 0..n {
        let length = rng.random_range(6..16);
        sentences.push((0..length).map(|_| 5000f64.powf(rng.random::<f64>()) as u32));
    }
    sentences
}

#[divan::bench(args = [1_000, 10_000])]
fn bleu_2_to_5(bencher: divan::Bencher<'_, '_>, n: usize) {
    let (hypotheses, references) = (captions(n, 1), captions(n, 2));
    bencher.bench(|| References::new(&references, Orders::default()).and_then(|index| index.score(&hypotheses)));
}

#[divan::bench(args = [1_000, 10_000])]
fn self_bleu_2_to_5(bencher: divan::Bencher<'_, '_>, n: usize) {
    let sentences = captions(n, 1);
    bencher.bench(|| self_scores(&sentences, Orders::default()));
}

#[divan::bench(args = [1_000, 10_000])]
fn distinct_3(bencher: divan::Bencher<'_, '_>, n: usize) {
    let sentences = captions(n, 1);
    bencher.bench(|| distinct(&sentences, 3, 20, Seed::new(1)));
}
