//! LSTM oracles on disk, as safetensors.

use super::{LstmConfig, LstmOracle};
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;
use std::path::Path;
use trueness_core::Error as CoreError;

/// The metadata key that holds the number of tokens in a sentence.
const LENGTH: &str = "length";

impl LstmOracle {
    /// Writes the oracle as a safetensors file: the 15 arrays of [`LstmConfig::arrays`] in single precision
    /// under their names, and the sentence length as metadata. The file appears only when it is complete.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let arrays = self.config.arrays();
        let bytes: Vec<Vec<u8>> =
            self.parameters.iter().map(|array| array.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let views: Result<Vec<(String, TensorView<'_>)>, _> = arrays
            .into_iter()
            .zip(&bytes)
            .map(|((name, shape), bytes)| TensorView::new(Dtype::F32, shape, bytes).map(|view| (name, view)))
            .collect();
        let metadata = HashMap::from([(LENGTH.to_owned(), self.config.length.to_string())]);
        let file = views
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|error| CoreError::Failed(format!("cannot serialise an LSTM oracle: {error}")))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".partial");
        let beside = Path::new(&beside);
        std::fs::write(beside, file).map_err(CoreError::io("write", beside))?;
        std::fs::rename(beside, path).map_err(CoreError::io("write", path))?;
        Ok(())
    }

    /// Reads an oracle that [`save`](Self::save) wrote, or another program in the same form. The sizes are
    /// those of the arrays; the length is 20, SeqGAN's, where the metadata has none.
    ///
    /// # Errors
    /// If the file cannot be read, is no regular file or no safetensors file, is longer or shorter than its
    /// header says, or its arrays are missing, not in single
    /// precision, of shapes that do not fit each other, or not finite.
    pub fn load(path: &Path) -> Result<Self> {
        let file = crate::safetensors_file::read(path)?;
        let bad = |message: String| Error::parse(path, message);
        let (_, header) =
            SafeTensors::read_metadata(&file).map_err(|e| bad(format!("expected a safetensors file: {e}")))?;
        let length = match header.metadata().as_ref().and_then(|metadata| metadata.get(LENGTH)) {
            None => LstmConfig::default().length,
            Some(text) => text.parse().map_err(|e| bad(format!("expected a length in tokens, got {text:?}: {e}")))?,
        };
        let tensors = SafeTensors::deserialize(&file).map_err(|e| bad(format!("expected a safetensors file: {e}")))?;
        let missing = |name: &str| bad(format!("expected an array {name}, got {:?}", sorted(tensors.names())));
        let shape_of = |name: &str| match tensors.tensor(name) {
            Ok(view) if view.shape().len() == 2 => Ok((view.shape()[0], view.shape()[1])),
            Ok(view) => Err(bad(format!("expected a matrix {name}, got the shape {:?}", view.shape()))),
            Err(_) => Err(missing(name)),
        };
        let (vocabulary, embedding) = shape_of("embedding")?;
        let (hidden, _) = shape_of("output.weight")?;
        let config = LstmConfig { vocabulary, embedding, hidden, length };
        config.check().map_err(|e| bad(e.to_string()))?;
        let mut parameters = Vec::new();
        for (name, shape) in config.arrays() {
            let Ok(view) = tensors.tensor(&name) else { return Err(missing(&name)) };
            if view.dtype() != Dtype::F32 || view.shape() != shape {
                let (dtype, got) = (view.dtype(), view.shape());
                return Err(bad(format!("expected {name} as F32 of shape {shape:?}, got {dtype:?} of shape {got:?}")));
            }
            let (words, _) = view.data().as_chunks::<4>();
            parameters.push(words.iter().map(|&word| f32::from_le_bytes(word)).collect());
        }
        Self::from_arrays(config, parameters).map_err(|e| bad(e.to_string()))
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use trueness_core::Seed;

    #[test]
    fn a_file_that_is_larger_than_its_header_says_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oracle.safetensors");
        let config = LstmConfig { vocabulary: 3, embedding: 2, hidden: 2, length: 4 };
        LstmOracle::draw(config.clone(), Seed::new(1)).unwrap().save(&path).unwrap();
        assert_eq!(LstmOracle::load(&path).unwrap().config(), &config);
        // A hole of a terabyte takes no room on the disk and would take all of the memory.
        std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let error = LstmOracle::load(&path).unwrap_err().to_string();
        assert!(error.contains("oracle.safetensors") && error.contains("1099511627776 bytes in all"), "{error}");
        std::fs::write(&path, [0xff; 64]).unwrap();
        assert!(LstmOracle::load(&path).unwrap_err().to_string().contains("at most 1048576"));
        assert!(LstmOracle::load(folder.path()).unwrap_err().to_string().contains("a regular file"));
    }
}
