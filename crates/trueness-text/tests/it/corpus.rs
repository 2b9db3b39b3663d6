//! Corpora from disk: real files where they are at hand, hostile ones always.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use rand::{Rng, RngExt};
use std::path::PathBuf;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_text::corpus::duplicates::{self, DuplicateOptions, Duplicates, Shingle};
use trueness_text::corpus::read::{read, read_from};
use trueness_text::corpus::split::{Sizes, SplitOptions, split};
use trueness_text::corpus::{Corpus, ReadOptions, Tokenizer, Vocabulary};

/// A file of the test data, or nothing where there is none.
#[allow(clippy::print_stderr, reason = "a test that was skipped has to say so")]
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TRUENESS_TEST_DATA") else {
        eprintln!("skipped: TRUENESS_TEST_DATA is unset");
        return None;
    };
    Some(PathBuf::from(folder).join("text").join(name))
}

fn within(sentences: &[String], options: &DuplicateOptions) -> Duplicates {
    duplicates::within(sentences, options, Watch::new(&Cancel::default(), &Silent)).unwrap()
}

fn between(sentences: &[String], reference: &[String], options: &DuplicateOptions) -> Duplicates {
    duplicates::between(sentences, reference, options, Watch::new(&Cancel::default(), &Silent)).unwrap()
}

#[test]
fn real_files_have_the_counts_of_other_tools() {
    // Sentences, tokens by white space, tokens and different tokens of `[\w']+|[.,!?;]`, exact repeats:
    // counted with Python 3.11 (str.split, re.findall).
    for (name, white, words, different, repeats) in [
        ("coco_train.txt", 115_563, 115_677, 4630, 55),
        ("coco_test.txt", 114_224, 114_354, 4198, 139),
        ("coco_train_raw.txt", 104_685, 113_616, 4632, 46),
        ("news_valid.txt", 280_663, 273_033, 5540, 1),
    ] {
        let Some(path) = data(name) else { return };
        let corpus = read(path).unwrap();
        assert_eq!((corpus.len(), corpus.blank_lines), (10_000, 0), "{name}");
        let mut vocabulary = Vocabulary::new();
        let encoded = Tokenizer::Words.encode(&corpus.sentences, &mut vocabulary).unwrap();
        assert_eq!((encoded.n_tokens(), vocabulary.len()), (words, different), "{name}");
        let encoded = Tokenizer::Whitespace.encode(&corpus.sentences, &mut Vocabulary::new()).unwrap();
        assert_eq!(encoded.n_tokens(), white, "{name}");
        assert_eq!(within(&corpus.sentences, &DuplicateOptions::default()).exact, repeats, "{name}");
    }
}

#[test]
fn duplicates_between_real_files_are_those_of_brute_force() {
    let (Some(test), Some(train)) = (data("coco_test.txt"), data("coco_train.txt")) else { return };
    let (test, train) = (read(test).unwrap().sentences, read(train).unwrap().sentences);
    // Counted with a Python program that compares all pairs that share a shingle.
    for (shingle, threshold, near) in
        [(Shingle::Tokens, 0.8, 0), (Shingle::Tokens, 0.5, 86), (Shingle::Characters, 0.6, 101)]
    {
        let options = DuplicateOptions { shingle, threshold, ..DuplicateOptions::default() };
        let found = between(&test, &train, &options);
        assert_eq!((found.n, found.exact, found.near), (10_000, 16, near));
        assert!(!found.near_is_lower_bound);
    }
}

#[test]
fn a_split_of_a_pool_uses_every_sentence_once() {
    let pool: Vec<String> = (0..1000).map(|i| format!("sentence {}", i % 700)).collect();
    for keep_duplicates_together in [false, true] {
        let options = SplitOptions { sizes: Sizes::Shares(vec![0.6, 0.2, 0.2]), keep_duplicates_together };
        let parts = split(&pool, &options, Seed::new(5)).unwrap();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [600, 200, 200]);
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
        assert_eq!(parts, split(&pool, &options, Seed::new(5)).unwrap());
        assert_ne!(parts, split(&pool, &options, Seed::new(6)).unwrap());
        let texts = |part: &[usize]| part.iter().map(|&i| pool[i].clone()).collect::<Vec<String>>();
        let shared = between(&texts(&parts[1]), &texts(&parts[0]), &DuplicateOptions::default()).exact;
        assert_eq!(shared == 0, keep_duplicates_together, "{shared}");
    }
}

/// A short run of random bytes inside the gate; the long one is the fuzz target `corpus`.
#[test]
fn random_bytes_never_panic() {
    let mut rng = Seed::new(11).rng();
    let options = ReadOptions { max_line_bytes: 64, max_total_bytes: 4096, ..ReadOptions::default() };
    let mut read_well = 0;
    for _ in 0..3000 {
        let mut bytes = vec![0u8; rng.random_range(0..300)];
        rng.fill_bytes(&mut bytes);
        // Half of them mostly text, so that what comes after a good line is reached too; some gzip.
        if rng.random::<bool>() {
            bytes.iter_mut().filter(|b| !b.is_ascii_graphic()).for_each(|b| *b = b"\n\r abcde"[*b as usize % 8]);
        }
        if rng.random_range(0..8) == 0 {
            bytes.splice(0..0, *b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03");
        }
        let corpus: Result<Corpus, _> = read_from(std::io::Cursor::new(bytes), "random", &options);
        if let Ok(corpus) = corpus {
            read_well += 1;
            for tokenizer in [Tokenizer::Whitespace, Tokenizer::Words, Tokenizer::Characters] {
                let encoded = tokenizer.encode(&corpus.sentences, &mut Vocabulary::new()).unwrap();
                assert_eq!(encoded.len(), corpus.len());
            }
            within(&corpus.sentences, &DuplicateOptions::default());
        }
    }
    assert!(read_well > 500, "{read_well}");
}
