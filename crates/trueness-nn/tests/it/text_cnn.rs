use crate::replay::{Fixture, relative_l2, write};
use rand::RngExt;
use std::collections::BTreeMap;
use std::path::Path;
use trueness_core::Seed;
use trueness_nn::burn::nn::loss::CrossEntropyLossConfig;
use trueness_nn::burn::optim::GradientsParams;
use trueness_nn::burn::tensor::{DType, Device, Int, Tensor, TensorData};
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{TextCnn, TextCnnConfig, device, gradient, weights};

const PENALTY: f64 = 0.2;
const SENTENCES: [&[u32]; 4] = [&[3, 1, 4, 1, 5], &[9, 2], &[], &[6, 5, 3, 5, 8, 10, 7]];
const LABELS: [i32; 4] = [1, 0, 0, 1];

fn tiny(device: &Device, seed: u64) -> TextCnn {
    let config = TextCnnConfig { embedding: 5, filters: vec![4, 3], ..TextCnnConfig::dd(11) };
    config.init(device, Seed::new(seed)).unwrap()
}

fn loss(model: &TextCnn) -> Tensor<1> {
    let logits = model.forward(model.batch(&SENTENCES), None);
    let labels = Tensor::<1, Int>::from_data(TensorData::from(LABELS), &logits.device());
    let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, labels);
    loss + model.penalty().mul_scalar(PENALTY)
}

#[test]
fn logits_loss_gradients_and_ten_steps_replay_pytorch() {
    let fixture = Fixture::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/text_cnn.safetensors"));
    let mut model = fixture.load(tiny(&device::parse("cpu").unwrap().autodiff(), 1));
    let logits = model.forward(model.batch(&SENTENCES), None).try_into_vec_as::<f64>().unwrap();
    assert!(relative_l2(&logits, &fixture.values("logits")) < 1e-5);
    let value = loss(&model).into_scalar::<f64>();
    assert!((value - fixture.values("loss")[0]).abs() < 1e-5, "{value}");
    for (name, gradient) in gradient::named(&model, &loss(&model)).unwrap() {
        let error = relative_l2(&gradient, &fixture.values(&format!("gradient:{name}")));
        assert!(error < 1e-5, "{name}: {error}");
    }
    let mut adam = AdamConfig::default().init();
    for expected in fixture.values("adam") {
        let loss = loss(&model);
        let value = loss.clone().into_scalar::<f64>();
        assert!((value - expected).abs() < 1e-3, "{value} {expected}");
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(0.01, model, gradients);
    }
}

#[test]
fn gradients_match_finite_differences_in_double_precision() {
    let device = device::parse("cpu").unwrap().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("double.safetensors");
    let model = tiny(&device, 3);
    let mut values: BTreeMap<String, TensorData> =
        weights::named(&model).unwrap().into_iter().map(|(k, v)| (k, v.convert_dtype(DType::F64))).collect();
    // Larger filters than at the start of a training, so that nothing is close to a tie or to ReLU's kink.
    let mut rng = Seed::new(5).rng();
    for value in values.values_mut() {
        value.as_mut_slice::<f64>().unwrap().iter_mut().for_each(|x| *x = rng.random_range(-1.0..1.0));
    }
    let at = |values: &BTreeMap<String, TensorData>| {
        write(&path, values);
        weights::load(weights::cast(tiny(&device, 3), DType::F64).unwrap(), &path).unwrap()
    };
    let double = at(&values);
    let analytic = gradient::named(&double, &loss(&double)).unwrap();
    let h = 1e-6;
    for (name, gradient) in &analytic {
        // A few elements of each tensor; a tensor at fault is at fault in most of them.
        for i in (0..gradient.len()).step_by(gradient.len().div_ceil(6)) {
            let mut moved = values.clone();
            let mut value_at = |step: f64| {
                moved.get_mut(name).unwrap().as_mut_slice::<f64>().unwrap()[i] += step;
                loss(&at(&moved)).into_scalar::<f64>()
            };
            let (up, down) = (value_at(h), value_at(-2.0 * h));
            let numeric = (up - down) / (2.0 * h);
            assert!((numeric - gradient[i]).abs() < 1e-7, "{name}[{i}]: {numeric} against {}", gradient[i]);
        }
    }
}

#[test]
fn logits_do_not_depend_on_the_sentences_beside() {
    let device = device::parse("cpu").unwrap();
    let model = tiny(&device, 4);
    let together = model.forward(model.batch(&SENTENCES), None).into_data().try_to_vec::<f32>().unwrap();
    for (i, sentence) in SENTENCES.iter().enumerate() {
        let alone = model.forward(model.batch(&[sentence]), None).into_data().try_to_vec::<f32>().unwrap();
        for (a, b) in alone.iter().zip(&together[2 * i..]) {
            assert!((a - b).abs() < 1e-5, "{i}: {a} {b}");
        }
    }
}

#[test]
fn initial_values_depend_on_the_seed_alone_and_dropout_on_its_own() {
    let device = device::parse("cpu").unwrap();
    let logits = |model: &TextCnn, dropout: Option<u64>| {
        model.forward(model.batch(&SENTENCES), dropout.map(Seed::new)).into_data().try_to_vec::<f32>().unwrap()
    };
    let (a, b) = (tiny(&device, 1), tiny(&device, 1));
    assert_eq!(logits(&a, None), logits(&b, None));
    assert_ne!(logits(&a, None), logits(&tiny(&device, 2), None));
    assert_eq!(logits(&a, Some(1)), logits(&b, Some(1)));
    assert_ne!(logits(&a, Some(1)), logits(&a, Some(2)));
}

#[test]
fn presets_have_the_papers_sizes() {
    assert_eq!(TextCnnConfig::dd(10).filters.iter().sum::<usize>(), 300);
    assert_eq!(TextCnnConfig::seqgan(10).filters.iter().sum::<usize>(), 1720);
    let device = device::parse("cpu").unwrap();
    let wrong = TextCnnConfig { widths: vec![2], ..TextCnnConfig::small(10) };
    assert!(wrong.init(&device, Seed::new(1)).unwrap_err().to_string().contains("1 widths, 2 numbers"));
    // By hand: embeddings 11 × 5, filters (2 × 5 + 1) × 4 and (3 × 5 + 1) × 3, highway 2 × (7 × 7 + 7), output
    // 2 × 7 + 2; and the numbers of the tensors themselves.
    let small = TextCnnConfig { embedding: 5, filters: vec![4, 3], ..TextCnnConfig::dd(11) };
    assert_eq!(small.parameters(), Some(55 + 44 + 48 + 112 + 16));
    let values = weights::named(&tiny(&device, 1)).unwrap();
    assert_eq!(small.parameters(), Some(values.values().map(|v| v.shape().iter().product::<usize>()).sum()));
    let wrong = TextCnnConfig { embedding: usize::MAX / 2, ..TextCnnConfig::small(10) };
    assert!(wrong.init(&device, Seed::new(1)).unwrap_err().to_string().contains("more than can be counted"));
    let wrong = TextCnnConfig { keep: 0.0, ..TextCnnConfig::small(10) };
    assert!(wrong.init(&device, Seed::new(1)).is_err());
}
