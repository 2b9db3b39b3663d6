//! No bytes make the readers of embeddings panic, or allocate more than the file is large.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trueness_text::metric::embedding;

fuzz_target!(|bytes: &[u8]| {
    for sentences in 1..4 {
        if let Ok(read) = embedding::parse(bytes, sentences) {
            assert_eq!(read.rows(), sentences);
            assert!(read.data().iter().all(|x| x.is_finite()) && read.data().len() <= bytes.len());
        }
    }
});
