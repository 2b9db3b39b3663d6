//! No bytes make reading, tokenising or looking for duplicates panic or take memory beyond the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueness_core::{Cancel, Silent, Watch};
use trueness_text::corpus::duplicates::{DuplicateOptions, Shingle, within};
use trueness_text::corpus::read::read_from;
use trueness_text::corpus::{ReadOptions, Tokenizer, Vocabulary};

fuzz_target!(|bytes: &[u8]| {
    let options = ReadOptions { max_line_bytes: 256, max_total_bytes: 1 << 16, ..ReadOptions::default() };
    let Ok(corpus) = read_from(std::io::Cursor::new(bytes.to_vec()), "fuzz", &options) else { return };
    assert!(corpus.sentences.iter().all(|s| s.len() <= 256 && !s.trim().is_empty()));
    for tokenizer in [Tokenizer::Whitespace, Tokenizer::Words, Tokenizer::Characters] {
        let encoded = tokenizer.encode(&corpus.sentences, &mut Vocabulary::new()).expect("these never fail");
        assert_eq!(encoded.len(), corpus.len());
    }
    let cancel = Cancel::default();
    for shingle in [Shingle::Tokens, Shingle::Characters] {
        let options = DuplicateOptions { shingle, ..DuplicateOptions::default() };
        let watch = Watch::new(&cancel, &Silent);
        let found = within(&corpus.sentences, &options, watch).expect("the options are good");
        assert!(found.exact + found.near <= found.n);
    }
});
