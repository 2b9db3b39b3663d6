//! The Fréchet distance and the divergence frontier against independent tools, and on real text.

use crate::corpus::data;
use std::path::{Path, PathBuf};
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_text::corpus::read::read;
use trueness_text::corpus::split::{Sizes, SplitOptions, split};
use trueness_text::corpus::{Tokenizer, Vocabulary};
use trueness_text::metric::embedding::{self, Embeddings, HashedOptions, hashed};
use trueness_text::metric::frechet::frechet;
use trueness_text::metric::frontier::{FrontierOptions, frontier};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/frechet").join(name)
}

#[allow(clippy::unwrap_used, reason = "a fixture that is not there fails the test")]
fn arrays() -> (Embeddings, Embeddings, serde_json::Value) {
    let golden = serde_json::from_slice(&std::fs::read(fixture("golden.json")).unwrap()).unwrap();
    (embedding::read(fixture("p.npy"), 400).unwrap(), embedding::read(fixture("q.npy"), 400).unwrap(), golden)
}

#[test]
fn the_plug_in_distance_is_that_of_scipy() {
    let (p, q, golden) = arrays();
    let (ours, theirs) = (frechet(&p, &q, Seed::new(1)).unwrap().plug_in, golden["frechet"].as_f64().unwrap());
    assert!((ours - theirs).abs() < 1e-8, "{ours} {theirs}");
}

#[test]
fn the_frontier_is_that_of_mauve_text_within_the_noise_of_its_seeds() {
    let (p, q, golden) = arrays();
    let cancel = Cancel::default();
    let options = FrontierOptions { clusterings: 10, resamples: 20, ..FrontierOptions::default() };
    let ours = frontier(&p, &q, &options, Seed::new(1), &Watch::new(&cancel, &Silent)).unwrap();
    for (name, ours) in [("mauve", &ours.mauve), ("mauve_star", &ours.star), ("frontier_integral", &ours.integral)] {
        let of = |key: &str| golden["mauve_text"][name][key].as_f64().unwrap();
        let (ours, theirs, sd) = (ours.value.unwrap(), of("mean"), of("sd"));
        // Two means over 10 and 20 seeds of one spread differ by .39 of it; four times that is allowed.
        assert!((ours - theirs).abs() < 1.6 * sd, "{name}: {ours} against {theirs} with sd {sd}");
    }
}

#[test]
fn halves_of_real_text_are_near_and_other_text_is_far() {
    let (Some(coco), Some(news)) = (data("coco_train.txt"), data("news_valid.txt")) else { return };
    let (coco, news) = (read(coco).unwrap().sentences, read(news).unwrap().sentences);
    let mut vocabulary = Vocabulary::new();
    let embed = |sentences: &[String], vocabulary: &mut Vocabulary| {
        let encoded = Tokenizer::Whitespace.encode(sentences, vocabulary).unwrap();
        hashed(&encoded, vocabulary, &HashedOptions { dims: 32, ..HashedOptions::default() }).unwrap()
    };
    let all = embed(&coco, &mut vocabulary);
    let parts = split(&coco, &SplitOptions::new(Sizes::Counts(vec![2000, 2000])), Seed::new(1)).unwrap();
    let (a, b) = (all.subset(&parts[0]).unwrap(), all.subset(&parts[1]).unwrap());
    let other = embed(&news[..2000], &mut vocabulary);
    let (near, far) = (frechet(&a, &b, Seed::new(2)).unwrap(), frechet(&a, &other, Seed::new(2)).unwrap());
    assert!(near.distance.low.unwrap() < near.plug_in && near.plug_in < 0.2 * far.distance.low.unwrap());
    assert!(far.signature.contains("hashed-1-3gram-d32") && far.measure().name == "frechet");
}
