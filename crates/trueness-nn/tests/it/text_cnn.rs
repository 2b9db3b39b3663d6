use rand::RngExt;
use std::collections::BTreeMap;
use std::path::Path;
use trueness_core::Seed;
use trueness_nn::burn::module::{Module, ModuleVisitor, Param};
use trueness_nn::burn::nn::loss::CrossEntropyLossConfig;
use trueness_nn::burn::optim::GradientsParams;
use trueness_nn::burn::tensor::{DType, Device, Int, Tensor, TensorData};
use trueness_nn::{TextCnn, TextCnnConfig, device, weights};

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

/// The gradients of all parameters, by name.
struct Named<'a>(&'a GradientsParams, Vec<String>, BTreeMap<String, Vec<f64>>);

impl ModuleVisitor for Named<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.1.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.1.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.0.get::<D>(param.id).unwrap();
        self.2.insert(self.1.join("."), gradient.try_into_vec_as::<f64>().unwrap());
    }
}

fn gradients(model: &TextCnn) -> BTreeMap<String, Vec<f64>> {
    let gradients = GradientsParams::from_grads(loss(model).backward(), model);
    let mut named = Named(&gradients, Vec::new(), BTreeMap::new());
    model.visit(&mut named);
    named.2
}

fn relative_l2(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

/// A file of weights from values.
fn write(path: &Path, values: &BTreeMap<String, TensorData>) {
    use safetensors::{Dtype, tensor::TensorView};
    let view = |data: &TensorData| {
        let dtype = if data.dtype() == DType::F64 { Dtype::F64 } else { Dtype::F32 };
        // The bytes live as long as the values.
        (dtype, data.shape().to_vec())
    };
    let views: Vec<_> = values
        .iter()
        .map(|(name, data)| {
            let (dtype, shape) = view(data);
            (name.as_str(), TensorView::new(dtype, shape, data.as_bytes()).unwrap())
        })
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn logits_loss_and_gradients_replay_jax() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/text_cnn.safetensors");
    let bytes = std::fs::read(fixture).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = |name: &str| {
        let view = file.tensor(name).unwrap();
        TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), DType::F32)
    };
    let device = device::parse("cpu").unwrap().autodiff();
    let model = tiny(&device, 1);
    let names: Vec<String> = weights::named(&model).unwrap().into_keys().collect();
    assert_eq!(file.names().len(), 2 * names.len() + 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    write(&path, &names.iter().map(|name| (name.clone(), data(&format!("weight:{name}")))).collect());
    let model = weights::load(model, &path).unwrap();

    let expect = |name: &str| data(name).try_to_vec_as::<f64>().unwrap();
    let logits = model.forward(model.batch(&SENTENCES), None).try_into_vec_as::<f64>().unwrap();
    assert!(relative_l2(&logits, &expect("logits")) < 1e-5);
    let value = loss(&model).into_scalar::<f64>();
    assert!((value - expect("loss")[0]).abs() < 1e-5, "{value}");
    for (name, gradient) in gradients(&model) {
        let error = relative_l2(&gradient, &expect(&format!("gradient:{name}")));
        assert!(error < 1e-5, "{name}: {error}");
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
    let analytic = gradients(&at(&values));
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
