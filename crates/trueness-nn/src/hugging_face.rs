//! GPT-2 folders as Hugging Face's `transformers` reads and writes them: `config.json`, and
//! `model.safetensors` or the shards that `model.safetensors.index.json` names.

use crate::gpt2::{Gpt2, Gpt2Config};
use crate::weights;
use burn::tensor::Device;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use trueness_core::{Error, Result, Seed};

const CONFIG: &str = "config.json";
const MODEL: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The largest config or index that is read.
const LARGEST_JSON: u64 = 64 << 20;

/// What is read of `config.json`; everything else in it is left alone.
#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "tenth")]
    resid_pdrop: f64,
    #[serde(default = "tenth")]
    embd_pdrop: f64,
    #[serde(default = "tenth")]
    attn_pdrop: f64,
    #[serde(default = "epsilon")]
    layer_norm_epsilon: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    #[serde(default)]
    add_cross_attention: bool,
    bos_token_id: Option<u32>,
    eos_token_id: Option<u32>,
}

fn gelu_new() -> String {
    "gelu_new".to_owned()
}

fn tenth() -> f64 {
    0.1
}

fn epsilon() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

/// The index of a model in several files.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// A network with what its folder says of special tokens.
#[derive(Clone, Debug)]
pub struct Pretrained {
    /// The network.
    pub network: Gpt2,
    /// Its sizes.
    pub config: Gpt2Config,
    /// The token that texts begin with.
    pub start: Option<u32>,
    /// The token that texts end with.
    pub end: Option<u32>,
}

/// Reads a GPT-2 from a folder.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read; [`Error::Input`] if the folder holds another kind of model, an
/// option that this network does not have, or weights that are damaged or do not fit: the message names
/// the file and the parameter.
pub fn load(folder: &Path, device: &Device) -> Result<Pretrained> {
    let config: Config = json(&folder.join(CONFIG))?;
    let wrong = |what: String| Error::Input(format!("{}: {what}", folder.join(CONFIG).display()));
    if config.model_type != "gpt2" {
        return Err(wrong(format!("expected model_type \"gpt2\", got {:?}", config.model_type)));
    }
    if !matches!(config.activation_function.as_str(), "gelu_new" | "gelu_pytorch_tanh") {
        let name = &config.activation_function;
        return Err(wrong(format!("expected activation_function \"gelu_new\", got {name:?}")));
    }
    for (name, value, needed) in [
        ("scale_attn_weights", config.scale_attn_weights, true),
        ("scale_attn_by_inverse_layer_idx", config.scale_attn_by_inverse_layer_idx, false),
        ("tie_word_embeddings", config.tie_word_embeddings, true),
        ("add_cross_attention", config.add_cross_attention, false),
    ] {
        if value != needed {
            return Err(wrong(format!("expected {name} to be {needed}, got {value}")));
        }
    }
    // This network has one probability for all three places.
    let drop = [config.embd_pdrop, config.attn_pdrop, config.resid_pdrop].into_iter().fold(0.0, f64::max);
    if let Some(id) =
        [config.bos_token_id, config.eos_token_id].into_iter().flatten().find(|&id| id as usize >= config.vocab_size)
    {
        return Err(wrong(format!("token {id} begins or ends texts, and there are {} tokens", config.vocab_size)));
    }
    let sizes = Gpt2Config {
        vocabulary: config.vocab_size,
        context: config.n_positions,
        size: config.n_embd,
        layers: config.n_layer,
        heads: config.n_head,
        inner: config.n_inner.unwrap_or_else(|| config.n_embd.saturating_mul(4)),
        keep: 1.0 - drop,
        epsilon: config.layer_norm_epsilon,
    };
    sizes.check().map_err(|error| wrong(error.to_string()))?;
    let files = files(folder)?;
    let mut bytes = Vec::with_capacity(files.len());
    for path in &files {
        bytes.push(std::fs::read(path).map_err(Error::io("read", path))?);
    }
    // The weights are read before a network of that size is made, so that a false size costs nothing.
    let mut tensors = BTreeMap::new();
    for (path, bytes) in files.iter().zip(&bytes) {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| Error::Input(format!("{} is not a sound safetensors file: {error}", path.display())))?;
        for (name, view) in file.tensors() {
            let name = name.strip_prefix("transformer.").unwrap_or(&name);
            // Masks that old versions kept, and the output layer, which is the embedding.
            let known = name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") || name == "lm_head.weight";
            if !known && tensors.insert(name.to_owned(), view).is_some() {
                return Err(Error::Input(format!("{}: {name:?} stands in two files", path.display())));
            }
        }
    }
    let shape = tensors.get("wte.weight").map(|view| view.shape().to_vec());
    if shape != Some(vec![sizes.vocabulary, sizes.size]) {
        return Err(wrong(format!(
            "expected `wte.weight` of shape [{}, {}], got {shape:?}",
            sizes.vocabulary, sizes.size
        )));
    }
    // Every block has twelve parameters, so that the file bounds what is made before it is filled.
    let held: usize = tensors.values().map(|view| view.shape().iter().product::<usize>()).sum();
    if sizes.layers > tensors.len() || sizes.parameters().is_none_or(|needed| needed > held) {
        return Err(wrong(format!(
            "a network of these sizes, {sizes:?}, has more parameters than its files: {held} in {} tensors",
            tensors.len()
        )));
    }
    let network = sizes.init(device, Seed::new(0))?;
    let network = weights::load_tensors(network, tensors, &BTreeMap::new(), folder)?;
    Ok(Pretrained { network, config: sizes, start: config.bos_token_id, end: config.eos_token_id })
}

/// The files of weights.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let whole = folder.join(MODEL);
    if whole.exists() || !folder.join(INDEX).exists() {
        return Ok(vec![whole]);
    }
    let path = folder.join(INDEX);
    let index: Index = json(&path)?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    for name in &names {
        // A shard lies in the folder itself.
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Error::Input(format!("{}: {name:?} is no name of a file of this folder", path.display())));
        }
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut text = String::new();
    file.take(LARGEST_JSON).read_to_string(&mut text).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| Error::Input(format!("{}: {error}", path.display())))
}

/// Writes a GPT-2 into an existing folder, so that `GPT2LMHeadModel.from_pretrained` reads it.
///
/// # Errors
/// [`Error::Failed`] if the weights cannot be had, and [`Error::Io`] if a file cannot be written.
pub fn save(network: &Gpt2, config: &Gpt2Config, start: Option<u32>, end: Option<u32>, folder: &Path) -> Result<()> {
    let drop = 1.0 - config.keep;
    let text = json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.size,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": (config.inner != 4 * config.size).then_some(config.inner),
        "embd_pdrop": drop,
        "attn_pdrop": drop,
        "resid_pdrop": drop,
        "layer_norm_epsilon": config.epsilon,
        "tie_word_embeddings": true,
        "bos_token_id": start,
        "eos_token_id": end,
    });
    let path = folder.join(CONFIG);
    let text = serde_json::to_string_pretty(&text).map_err(|error| Error::Failed(error.to_string()))?;
    trueness_core::write_atomically(&path, (text + "\n").as_bytes())?;
    weights::save_under(network, "transformer.", &folder.join(MODEL))
}
