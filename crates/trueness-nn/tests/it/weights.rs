use crate::toy::network;
use proptest::prelude::*;
use std::fs;
use trueness_core::{Error, Seed};
use trueness_nn::burn::tensor::TensorData;
use trueness_nn::{TextCnn, TextCnnConfig, device, weights};

fn model(config: &TextCnnConfig, seed: u64) -> TextCnn {
    config.init(&device::parse("cpu").unwrap(), Seed::new(seed)).unwrap()
}

#[test]
fn parameters_come_back_bit_for_bit_under_stable_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let written = model(&network(), 1);
    weights::save(&written, &path).unwrap();
    let values = weights::named(&written).unwrap();
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "convolutions.0.bias",
            "convolutions.0.weight",
            "convolutions.1.bias",
            "convolutions.1.weight",
            "embedding",
            "highway.gate.bias",
            "highway.gate.weight",
            "highway.transform.bias",
            "highway.transform.weight",
            "output.bias",
            "output.weight",
        ]
    );
    let read = weights::named(&weights::load(model(&network(), 2), &path).unwrap()).unwrap();
    let bytes = |value: &TensorData| value.as_bytes().to_vec();
    assert!(values.iter().all(|(name, value)| bytes(value) == bytes(&read[name])));
}

#[test]
fn what_does_not_fit_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    weights::save(&model(&network(), 1), &path).unwrap();
    let message = |config: TextCnnConfig| weights::load(model(&config, 1), &path).unwrap_err().to_string();
    assert!(message(TextCnnConfig { embedding: 9, ..network() }).contains("`embedding` should have shape [20, 9]"));
    let more = TextCnnConfig { widths: vec![2, 3, 4], filters: vec![6, 6, 6], ..network() };
    assert!(message(more).contains("`convolutions.2.bias` is missing"));
    let fewer = TextCnnConfig { widths: vec![2], filters: vec![12], ..network() };
    assert!(message(fewer).contains("`convolutions.1.bias` is no parameter of this network"));
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    weights::save(&model(&network(), 1), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let load = || weights::load(model(&network(), 1), &path).unwrap_err();
    for length in [0, 4, 8, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(load(), Error::Input(_)), "{length}");
    }
    fs::write(&path, [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat()).unwrap();
    assert!(load().to_string().contains("m.safetensors is not a sound safetensors file"));
    fs::remove_file(&path).unwrap();
    assert!(matches!(load(), Error::Io { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_loading_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        fs::write(&path, &noise).unwrap();
        prop_assert!(weights::load(model(&network(), 1), &path).is_err());
        // A sound file, overwritten somewhere in its header and perhaps cut.
        weights::save(&model(&network(), 1), &path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let start = at.index(1000);
        bytes[start..start + noise.len()].copy_from_slice(&noise);
        bytes.truncate(bytes.len() - cut.index(2) * cut.index(bytes.len()));
        fs::write(&path, bytes).unwrap();
        let _ = weights::load(model(&network(), 1), &path);
    }
}
