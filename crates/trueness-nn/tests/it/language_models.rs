//! Language models against PyTorch, `transformers` and each other.

use crate::replay::{Fixture, relative_l2};
use std::path::{Path, PathBuf};
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_nn::burn::optim::GradientsParams;
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{
    Gpt2Config, Hierarchical, HierarchicalConfig, LstmInit, LstmModelConfig, NextToken, RelationalMemory,
    RelationalMemoryConfig, Runner, Sampling, Sequences, TextCnnConfig, device, gradient, hugging_face, roll_out,
    sample,
};

const SENTENCES: [&[u32]; 3] = [&[3, 1, 4, 1, 5], &[9, 2], &[6, 5, 3, 5, 8, 10, 7]];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures")
}

fn batch() -> Sequences {
    Sequences::new(&SENTENCES, 0, Some(0)).mean()
}

/// Logits, loss, every gradient, and the losses of ten steps of Adam.
fn replays<M: NextToken>(model: M, fixture: &Fixture) {
    let model = fixture.load(model);
    let sequences = batch();
    // log p of every target is the logit minus the log-sum-exp of its row.
    let logits = fixture.values("logits");
    let classes = model.vocabulary();
    let expected: Vec<f64> = logits
        .chunks_exact(classes)
        .zip(sequences.targets.iter().zip(&sequences.weights))
        .map(|(row, (&target, &weight))| match weight {
            0.0 => 0.0,
            _ => row[target as usize] - row.iter().map(|x| x.exp()).sum::<f64>().ln(),
        })
        .collect();
    let found = model.log_probabilities(&sequences).unwrap();
    let found: Vec<f64> = found.into_iter().map(f64::from).collect();
    assert!(relative_l2(&found, &expected) < 1e-5, "{}", relative_l2(&found, &expected));
    let value = model.loss(&sequences, None).into_scalar::<f64>();
    assert!((value - fixture.values("loss")[0]).abs() < 1e-5 * value.abs(), "{value}");
    let found = gradient::named(&model, &model.loss(&sequences, None)).unwrap();
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), fixture.gradients());
    for (name, gradient) in found {
        let error = relative_l2(&gradient, &fixture.values(&format!("gradient:{name}")));
        assert!(error < 1e-4, "{name}: {error:e}");
    }
    let (mut model, mut adam) = (model, AdamConfig::default().init());
    for expected in fixture.values("adam") {
        let loss = model.loss(&sequences, None);
        let value = loss.clone().into_scalar::<f64>();
        assert!((value - expected).abs() < 1e-3, "{value} {expected}");
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(0.01, model, gradients);
    }
}

fn lstm() -> LstmModelConfig {
    LstmModelConfig { vocabulary: 11, embedding: 5, hidden: 6, layers: 2, keep: 1.0, init: LstmInit::Normal }
}

#[test]
fn the_lstm_replays_pytorch() {
    let device = device::parse("cpu").unwrap().autodiff();
    let fixture = Fixture::open(&fixtures().join("lstm.safetensors"));
    replays(lstm().init(&device, Seed::new(1)).unwrap(), &fixture);
}

#[test]
fn the_relational_memory_replays_pytorch() {
    let device = device::parse("cpu").unwrap().autodiff();
    let config = RelationalMemoryConfig { vocabulary: 11, embedding: 5, slots: 2, heads: 2, head_size: 3 };
    let fixture = Fixture::open(&fixtures().join("relational.safetensors"));
    replays(config.init(&device, Seed::new(1)).unwrap(), &fixture);
}

#[test]
fn manager_and_worker_replay_pytorch() {
    let device = device::parse("cpu").unwrap().autodiff();
    let leak = TextCnnConfig { embedding: 4, widths: vec![2, 3], filters: vec![4, 3], ..TextCnnConfig::small(12) };
    let config = HierarchicalConfig { vocabulary: 11, embedding: 5, hidden: 6, goal: 3, horizon: 2, leak };
    let fixture = Fixture::open(&fixtures().join("hierarchical.safetensors"));
    replays(config.init(&device, Seed::new(1)).unwrap(), &fixture);
}

#[test]
fn a_folder_of_transformers_replays_it() {
    let device = device::parse("cpu").unwrap();
    let loaded = hugging_face::load(&fixtures().join("gpt2"), &device).unwrap();
    assert_eq!((loaded.start, loaded.end, loaded.config.context), (Some(0), Some(0), 12));
    let fixture = Fixture::open(&fixtures().join("gpt2/expected.safetensors"));
    // The weights that the folder holds are the fixture's, so that the replay holds for the folder too.
    for (name, value) in trueness_nn::weights::named(&loaded.network).unwrap() {
        assert_eq!(value.try_to_vec_as::<f64>().unwrap(), fixture.values(&format!("weight:{name}")), "{name}");
    }
    replays(loaded.config.init(&device.autodiff(), Seed::new(1)).unwrap(), &fixture);
    // Greedy text.
    let expected: Vec<u32> = fixture.values("greedy").into_iter().map(|x| x as u32).collect();
    let runner = loaded.network.runner().unwrap();
    let (mut state, mut logits, mut text) = (runner.start(1), vec![0.0; 17], expected[..3].to_vec());
    for i in 0..expected.len() - 1 {
        runner.step(&mut state, &[text[i]], &mut logits);
        if i + 1 == text.len() {
            let best = (0..17).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            text.push(best as u32);
        }
    }
    assert_eq!(text, expected);
}

#[test]
fn what_is_saved_loads_again_in_one_file_and_in_shards() {
    let device = device::parse("cpu").unwrap();
    let loaded = hugging_face::load(&fixtures().join("gpt2"), &device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    hugging_face::save(&loaded.network, &loaded.config, Some(0), None, folder.path()).unwrap();
    let again = hugging_face::load(folder.path(), &device).unwrap();
    assert_eq!((again.config.clone(), again.start, again.end), (loaded.config.clone(), Some(0), None));
    let values = |network| trueness_nn::weights::named(network).unwrap();
    let all = values(&loaded.network);
    assert_eq!(all, values(&again.network));
    // The same in two files.
    let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors();
    let (first, second) = tensors.split_at(tensors.len() / 2);
    let mut map = serde_json::Map::new();
    for (name, part) in [("a.safetensors", first), ("b.safetensors", second)] {
        safetensors::serialize_to_file(part.to_vec(), None, &folder.path().join(name)).unwrap();
        map.extend(part.iter().map(|(tensor, _)| (tensor.clone(), name.into())));
    }
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let write = |map: &serde_json::Map<String, serde_json::Value>| {
        let index = serde_json::json!({ "weight_map": map }).to_string();
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    };
    write(&map);
    assert_eq!(all, values(&hugging_face::load(folder.path(), &device).unwrap().network));
    // A shard outside the folder is refused, and one that is missing is named.
    map.insert("x".to_owned(), "../a.safetensors".into());
    write(&map);
    let message = |folder: &Path| hugging_face::load(folder, &device).unwrap_err().to_string();
    assert!(message(folder.path()).contains("is no name of a file"), "{}", message(folder.path()));
    std::fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    assert!(message(folder.path()).contains("model.safetensors"), "{}", message(folder.path()));
}

#[test]
fn damaged_folders_are_named() {
    let device = device::parse("cpu").unwrap();
    let good = fixtures().join("gpt2");
    let config = std::fs::read_to_string(good.join("config.json")).unwrap();
    let weights = std::fs::read(good.join("model.safetensors")).unwrap();
    let message = |config: &str, weights: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
        hugging_face::load(folder.path(), &device).unwrap_err().to_string()
    };
    let with = |from: &str, to: &str| message(&config.replace(from, to), &weights);
    for (from, to, expected) in [
        ("\"gpt2\"", "\"llama\"", "expected model_type \"gpt2\""),
        ("gelu_new", "relu", "activation_function"),
        ("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", "tie_word_embeddings"),
        ("\"n_embd\": 16", "\"n_embd\": 20", "wte.weight"),
        ("\"n_layer\": 2", "\"n_layer\": 3", "more parameters than its files"),
        ("\"n_layer\": 2", "\"n_layer\": 1", "is no parameter"),
        ("\"n_head\": 4", "\"n_head\": 3", "heads divide"),
        ("\"n_layer\": 2", "\"n_layer\": 99999999999", "more than"),
        ("\"n_embd\": 16,", "", "n_embd"),
        ("{", "", "config.json"),
    ] {
        let found = with(from, to);
        assert!(found.contains(expected), "{from} to {to}: {found}");
    }
    // Configurations of old versions say the length twice.
    let folder = tempfile::tempdir().unwrap();
    let both = config.replace("\"n_positions\": 12", "\"n_ctx\": 12, \"n_positions\": 12");
    std::fs::write(folder.path().join("config.json"), both).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), &weights).unwrap();
    assert_eq!(hugging_face::load(folder.path(), &device).unwrap().config.context, 12);
    assert!(with("\"bos_token_id\": 0", "\"bos_token_id\": 99").contains("token 99"));
    assert!(with("\"n_positions\": 12", "\"n_positions\": 100000000").contains("more parameters than its files"));
    // Truncated, with a header that claims more than there is, and with one that is no JSON.
    assert!(message(&config, &weights[..weights.len() - 8]).contains("not a sound safetensors file"));
    let mut hostile = weights.clone();
    hostile[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(message(&config, &hostile).contains("not a sound safetensors file"));
    hostile[..8].copy_from_slice(&weights[..8]);
    hostile[9] = b'!';
    assert!(message(&config, &hostile).contains("not a sound safetensors file"));
}

fn drawn<R: Runner>(runner: &R, n: usize, threads: usize) -> Vec<Vec<u32>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (cancel, silent) = (Cancel::default(), Silent);
    let watch = Watch::new(&cancel, &silent);
    pool.install(|| sample(runner, n, (0, Some(0), 8), Sampling::default(), Seed::new(3), watch)).unwrap()
}

/// Sampling follows the network's own law: the mean of −log p over samples equals the entropy that the
/// same network's densities give by enumeration.
fn samples_follow_the_law<M: NextToken>(model: &M) {
    let runner = model.runner().unwrap();
    let some = drawn(&runner, 40, 1);
    assert_eq!(some, drawn(&runner, 40, 3));
    assert_eq!(some[..7], drawn(&runner, 7, 2)[..]);
    // The first token's frequencies against the network's own probabilities.
    let n = 20_000;
    let all = drawn(&runner, n, 2);
    let vocabulary = model.vocabulary() as u32;
    let singles: Vec<Vec<u32>> = (1..vocabulary).map(|token| vec![token]).collect();
    let scores = model.log_probabilities(&Sequences::new(&singles, 0, None)).unwrap();
    for (token, log) in (1..vocabulary).zip(scores) {
        let p = f64::from(log).exp();
        let count = all.iter().filter(|sentence| sentence.first() == Some(&token)).count() as f64;
        let sd = (n as f64 * p * (1.0 - p)).sqrt();
        assert!((count - n as f64 * p).abs() < 4.5 * sd + 1.0, "{token}: {count} of {} ± {sd}", n as f64 * p);
    }
}

#[test]
fn samples_of_both_networks_follow_their_law_whatever_the_threads() {
    let device = device::parse("cpu").unwrap();
    let fixture = Fixture::open(&fixtures().join("lstm.safetensors"));
    samples_follow_the_law(&fixture.load(lstm().init(&device, Seed::new(1)).unwrap()));
    samples_follow_the_law(&hugging_face::load(&fixtures().join("gpt2"), &device).unwrap().network);
}

/// Three rows of memory, two heads, five tokens.
fn relational() -> RelationalMemory {
    let config = RelationalMemoryConfig { vocabulary: 5, embedding: 6, slots: 3, heads: 2, head_size: 4 };
    config.init(&device::parse("cpu").unwrap(), Seed::new(5)).unwrap()
}

/// A manager and a worker of five tokens.
fn hierarchical() -> Hierarchical {
    let leak = TextCnnConfig { embedding: 4, widths: vec![1, 3], filters: vec![3, 4], ..TextCnnConfig::small(6) };
    let config = HierarchicalConfig { vocabulary: 5, embedding: 6, hidden: 5, goal: 3, horizon: 3, leak };
    let model = config.init(&device::parse("cpu").unwrap(), Seed::new(5)).unwrap();
    // Large enough for the goals to matter.
    let output = model.output.clone().map(|output| output.mul_scalar(20.0));
    Hierarchical { output, ..model }
}

#[test]
fn networks_that_run_token_by_token_are_the_ones_that_are_trained() {
    runs_as_trained(&relational());
    runs_as_trained(&hierarchical());
}

fn runs_as_trained<M: NextToken>(model: &M) {
    let sentences: [&[u32]; 3] = [&[1, 4, 2, 2], &[3], &[2, 0, 1]];
    let sequences = Sequences::new(&sentences, 0, Some(0));
    let logs = model.log_probabilities(&sequences).unwrap();
    let runner = model.runner().unwrap();
    let mut state = runner.start(3);
    let mut logits = vec![0.0; 3 * 5];
    for t in 0..sequences.time {
        let tokens: Vec<u32> = (0..3).map(|i| sequences.inputs[i * sequences.time + t]).collect();
        // A copy of chosen rows goes on like the rows themselves.
        let mut turned = runner.chosen(&state, &[2, 0, 1]);
        let mut other = vec![0.0; 3 * 5];
        runner.step(&mut turned, &[tokens[2], tokens[0], tokens[1]], &mut other);
        runner.step(&mut state, &tokens, &mut logits);
        assert_eq!(other, [&logits[10..], &logits[..10]].concat());
        for (i, row) in logits.chunks_exact(5).enumerate() {
            let at = i * sequences.time + t;
            if sequences.weights[at] > 0.0 {
                let total: f32 = row.iter().map(|x| x.exp()).sum();
                let found = row[sequences.targets[at] as usize] - total.ln();
                assert!((found - logs[at]).abs() < 1e-5, "{found} {}", logs[at]);
            }
        }
    }
}

#[test]
fn samples_of_a_memory_and_of_a_hierarchy_follow_their_law_whatever_the_threads() {
    samples_follow_the_law(&relational());
    samples_follow_the_law(&hierarchical());
}

#[test]
fn roll_outs_begin_with_their_prefix_and_do_not_depend_on_threads() {
    let runner = relational().runner().unwrap();
    let sentences: Vec<Vec<u32>> = drawn(&runner, 9, 2);
    let found = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        pool.install(|| roll_out(&runner, &sentences, 3, 1, (0, Some(0), 8), Seed::new(6), watch)).unwrap()
    };
    let rolled = found(1);
    assert_eq!(rolled, found(3));
    let expected: usize = sentences.iter().map(|sentence| sentence.len().min(7)).sum();
    assert_eq!((rolled.prefixes.len(), rolled.sentences.len()), (expected, 3 * expected));
    for (&(sentence, length), completions) in rolled.prefixes.iter().zip(rolled.sentences.chunks_exact(3)) {
        for completed in completions {
            assert!(completed.len() <= 8 && completed.starts_with(&sentences[sentence][..length]), "{completed:?}");
        }
    }
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    let device = device::parse("cpu").unwrap();
    let bad = LstmModelConfig { hidden: usize::MAX / 2, ..lstm() };
    assert!(bad.init(&device, Seed::new(1)).unwrap_err().to_string().contains("more than"));
    assert!(LstmModelConfig { layers: 0, ..lstm() }.check().is_err());
    assert!(LstmModelConfig { keep: 0.0, ..lstm() }.check().is_err());
    let good = Gpt2Config::new(10, 8, 1, 8);
    good.check().unwrap();
    assert!(Gpt2Config { inner: usize::MAX, ..good.clone() }.check().is_err());
    assert!(Gpt2Config { epsilon: 0.0, ..good }.check().is_err());
}
