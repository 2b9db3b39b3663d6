//! Model folders: a generator as files that load again.
//!
//! `trueness.json` says what the folder holds; `model.safetensors` has the weights; `vocabulary.json` or
//! `tokenizer.json` the words; `README.md` is the model card. A GPT-2's folder has `config.json` too and
//! loads in `transformers`. A GPT-2 folder of Hugging Face without `trueness.json` loads as well.

use super::network::with_network;
use super::{Codec, Generator, Network, Sizes};
use crate::corpus::tokenize::{self, HuggingFace};
use crate::corpus::{Tokenizer, Vocabulary};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use trueness_core::{Measure, Seed, write_atomically};
use trueness_nn::burn::tensor::Device;
use trueness_nn::{hugging_face, weights};

const ABOUT: &str = "trueness.json";
const WEIGHTS: &str = "model.safetensors";
const WORDS: &str = "vocabulary.json";
const TOKENIZER: &str = "tokenizer.json";
const CARD: &str = "README.md";

/// The largest description or vocabulary that is read.
const LARGEST_JSON: u64 = 256 << 20;

/// What `trueness.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    schema_version: u32,
    sizes: Sizes,
    tokenizer: String,
    longest: usize,
    start: u32,
    end: Option<u32>,
    origin: String,
    measures: Vec<Measure>,
}

/// What a model card tells.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// What the model was measured to do.
    pub measures: Vec<Measure>,
    /// What it was trained on, in a sentence.
    pub data: String,
    /// Some of its samples.
    pub samples: Vec<String>,
}

impl Generator {
    /// Writes the generator into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written; the message names it.
    pub fn save(&self, folder: &Path, card: &Card) -> Result<()> {
        let codec = &self.codec;
        let about = About {
            schema_version: 1,
            sizes: self.sizes.clone(),
            tokenizer: codec.name(),
            longest: self.longest,
            start: codec.start(),
            end: codec.end(),
            origin: self.origin.clone(),
            measures: card.measures.clone(),
        };
        write_codec(codec, folder)?;
        match (&self.network, &self.sizes) {
            (Network::Gpt2(network), Sizes::Gpt2(sizes)) => {
                hugging_face::save(network, sizes, Some(codec.start()), codec.end(), folder)?;
            }
            (network, _) => with_network!(network, model => weights::save(model, &folder.join(WEIGHTS)))?,
        }
        write_atomically(&folder.join(CARD), self.card(card).as_bytes())?;
        // Last, so that a folder with this file is whole.
        write_json(&folder.join(ABOUT), &about)
    }

    fn card(&self, card: &Card) -> String {
        let mut text = format!(
            "# {}\n\nA language model trained with Trueness {}. {}\n\n",
            self.sizes.signature(),
            env!("CARGO_PKG_VERSION"),
            card.data
        );
        let interval = |m: &Measure| match (m.estimate.value, m.estimate.low, m.estimate.high) {
            (Some(value), Some(low), Some(high)) => format!("{value:.4} [{low:.4}, {high:.4}]"),
            (Some(value), ..) => format!("{value:.4}"),
            _ => "not measured".to_owned(),
        };
        text.push_str("| measure | value | unit | n | how |\n| --- | --- | --- | --- | --- |\n");
        for m in &card.measures {
            let e = &m.estimate;
            let _ = writeln!(text, "| {} | {} | {} | {} | {} |", m.name, interval(m), e.unit, e.n, e.method);
        }
        let _ = writeln!(text, "\nTrained with: `{}`", self.origin);
        if !card.samples.is_empty() {
            text.push_str("\nSamples at temperature 1:\n\n");
            for sample in &card.samples {
                let _ = writeln!(text, "    {sample}");
            }
        }
        text
    }
}

pub(crate) fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| trueness_core::Error::Failed(format!("cannot write {}: {error}", path.display())))?;
    Ok(write_atomically(path, (text + "\n").as_bytes())?)
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(trueness_core::Error::io("read", path))?;
    let mut text = String::new();
    file.take(LARGEST_JSON).read_to_string(&mut text).map_err(trueness_core::Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| Error::parse(path, error.to_string()))
}

/// Writes what of a codec a folder keeps: its words, and the tokeniser of a file.
pub(crate) fn write_codec(codec: &Codec, folder: &Path) -> Result<()> {
    if let Some(vocabulary) = codec.vocabulary() {
        write_json(&folder.join(WORDS), vocabulary.words())?;
    }
    if let Some(tokenizer) = codec.hugging_face() {
        write_atomically(&folder.join(TOKENIZER), tokenizer.json()?.as_bytes())?;
    }
    Ok(())
}

/// The words and the tokeniser that [`write_codec`] wrote, where sentences are cut into words; `about` is the
/// file that gave the tokeniser's name.
pub(crate) fn read_word_codec(folder: &Path, tokenizer: &str, about: &Path) -> Result<Codec> {
    let tokenizer = match tokenizer {
        name if name.starts_with("hf-") => Tokenizer::HuggingFace(HuggingFace::open(&folder.join(TOKENIZER))?),
        // A name is all that is taken from the file: a path could lead anywhere.
        name if tokenize::NAMES.contains(&name) => name.parse()?,
        name => return Err(Error::parse(about, format!("there is no tokeniser {name:?}"))),
    };
    Codec::with_words(tokenizer, read_words(folder)?)
}

fn read_words(folder: &Path) -> Result<Vocabulary> {
    let words: Vec<String> = read_json(&folder.join(WORDS))?;
    let mut vocabulary = Vocabulary::new();
    for word in &words {
        vocabulary.add(word);
    }
    match vocabulary.len() == words.len() {
        true => Ok(vocabulary),
        false => Err(Error::parse(&folder.join(WORDS), "a word stands there twice")),
    }
}

/// The files of a model folder, or of the run that trained it, in a fixed order.
///
/// # Errors
/// If it is none.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let folder = trueness_core::find_folder(path, &[ABOUT, "config.json"], "model")?;
    let listed = std::fs::read_dir(&folder).map_err(trueness_core::Error::io("read", &folder))?;
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// Reads a generator from a model folder, or from the folder of the run that trained it.
///
/// # Errors
/// If a file is missing, damaged or does not fit the others; the message names it.
pub fn load(path: &Path, device: &Device) -> Result<Generator> {
    // The second is a folder of Hugging Face.
    let folder = trueness_core::find_folder(path, &[ABOUT, "config.json"], "model")?;
    if !folder.join(ABOUT).exists() {
        return of_hugging_face(&folder, device);
    }
    let about: About = read_json(&folder.join(ABOUT))?;
    let wrong = |what: String| Error::parse(&folder.join(ABOUT), what);
    if about.schema_version != 1 {
        return Err(wrong(format!("it has format {}, and this program reads 1", about.schema_version)));
    }
    let codec = match about.tokenizer.as_str() {
        "oracle" => Codec::of_oracle(read_words(&folder)?),
        name if name.starts_with("hf-") && !folder.join(WORDS).exists() => {
            let Sizes::Gpt2(sizes) = &about.sizes else {
                return Err(wrong("a tokeniser with ids of its own goes with a GPT-2".to_owned()));
            };
            let tokenizer = HuggingFace::open(&folder.join(TOKENIZER))?;
            Codec::of_pieces(tokenizer, sizes.vocabulary, about.start, about.end)
        }
        name => read_word_codec(&folder, name, &folder.join(ABOUT))?,
    };
    codec.check().map_err(|error| wrong(error.to_string()))?;
    let (vocabulary, context) = match &about.sizes {
        Sizes::Lstm(sizes) => (sizes.vocabulary, usize::MAX),
        Sizes::Gpt2(sizes) => (sizes.vocabulary, sizes.context),
        Sizes::Relational(sizes) => (sizes.vocabulary, usize::MAX),
        Sizes::Hierarchical(sizes) => (sizes.vocabulary, usize::MAX),
    };
    if vocabulary != codec.size() {
        return Err(wrong(format!("the network has {vocabulary} tokens, and the words give {}", codec.size())));
    }
    if about.longest == 0 || about.longest > context {
        return Err(wrong(format!("longest has to be 1 to {context}, and is {}", about.longest)));
    }
    // The file is looked at before a network of that size is made, so that a false size costs nothing.
    let path = folder.join(WEIGHTS);
    let size = std::fs::metadata(&path).map_err(trueness_core::Error::io("read", &path))?.len();
    if vocabulary as u64 > size {
        return Err(Error::parse(&path, format!("too small for a network of {vocabulary} tokens")));
    }
    let network = match about.sizes.init(device, Seed::new(0))? {
        Network::Lstm(model) => Network::Lstm(weights::load(model, &path)?),
        Network::Relational(model) => Network::Relational(weights::load(model, &path)?),
        Network::Hierarchical(model) => Network::Hierarchical(weights::load(model, &path)?),
        Network::Gpt2(_) => {
            let loaded = hugging_face::load(&folder, device)?;
            if Sizes::Gpt2(loaded.config.clone()) != about.sizes {
                return Err(wrong(format!("its sizes are not those of config.json: {:?}", loaded.config)));
            }
            Network::Gpt2(loaded.network)
        }
    };
    Ok(Generator { network, sizes: about.sizes, codec, longest: about.longest, origin: about.origin })
}

fn of_hugging_face(folder: &Path, device: &Device) -> Result<Generator> {
    let loaded = hugging_face::load(folder, device)?;
    let tokenizer = HuggingFace::open(&folder.join(TOKENIZER))?;
    let end = loaded.end;
    let Some(start) = loaded.start.or(end) else {
        return Err(Error::parse(&folder.join("config.json"), "expected a bos_token_id or an eos_token_id"));
    };
    if tokenizer.size() > loaded.config.vocabulary {
        return Err(Error::parse(
            &folder.join(TOKENIZER),
            format!("it has {} pieces, and the network {}", tokenizer.size(), loaded.config.vocabulary),
        ));
    }
    let codec = Codec::of_pieces(tokenizer, loaded.config.vocabulary, start, end);
    codec.check()?;
    let longest = loaded.config.context - 1;
    let origin = format!("hugging-face|{}", codec.name());
    Ok(Generator { network: Network::Gpt2(loaded.network), sizes: Sizes::Gpt2(loaded.config), codec, longest, origin })
}
