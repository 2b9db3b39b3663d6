use crate::toy::network;
use proptest::prelude::*;
use std::fs;
use trueness_core::{Error, Seed};
use trueness_nn::burn::tensor::{DType, TensorData};
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
fn other_precisions_are_converted_to_the_networks_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let written = model(&network(), 1);
    for dtype in [DType::F64, DType::F16] {
        weights::save(&weights::cast(written.clone(), dtype).unwrap(), &path).unwrap();
        let read = weights::load(model(&network(), 2), &path).unwrap();
        let (old, new) = (weights::named(&written).unwrap(), weights::named(&read).unwrap());
        for (name, value) in &new {
            assert_eq!(value.dtype(), DType::F32, "{name}");
            // Half precision keeps eleven bits.
            let near = |(a, b): (f64, f64)| (a - b).abs() <= a.abs() / 1024.0 + 1e-6;
            assert!(value.iter::<f64>().zip(old[name].iter::<f64>()).all(near), "{name}");
        }
        // Mixed types would end here.
        read.forward(read.batch(&[[1_u32, 2, 3]]), None);
    }
    let double = weights::load(weights::cast(model(&network(), 2), DType::F64).unwrap(), &path).unwrap();
    assert!(weights::named(&double).unwrap().values().all(|value| value.dtype() == DType::F64));
    let mut large = weights::cast(written, DType::F64).unwrap();
    large.embedding = large.embedding.map(|tensor| tensor.mul_scalar(1e300));
    weights::save(&large, &path).unwrap();
    let message = weights::load(model(&network(), 2), &path).unwrap_err().to_string();
    assert!(message.contains("`embedding` holds numbers that are too large for F32"), "{message}");
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
