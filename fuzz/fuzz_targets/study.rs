//! A study file of any bytes is read or refused; it never makes the program panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trueness_core::study::Manifest;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Manifest::parse(text, "fuzzed");
    }
});
