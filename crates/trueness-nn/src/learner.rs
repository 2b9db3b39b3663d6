//! A network with its optimiser: one step, and how both are kept.

use crate::gradient::clip_joint_norm;
use crate::weights;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use std::collections::BTreeMap;
use std::path::Path;
use trueness_core::{Error, Result};

/// A network under training with the optimiser's moments.
#[derive(Clone)]
pub struct Learner<M> {
    model: M,
    optimizer: ModuleOptimizer,
}

impl<M: Module> Learner<M> {
    /// A network that has not learned yet.
    pub fn new(model: M, optimizer: ModuleOptimizer) -> Self {
        Self { model: model.train(), optimizer }
    }

    /// The network as it is now.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The same optimiser, its moments kept, with the network changed.
    #[must_use]
    pub fn map(self, change: impl FnOnce(M) -> M) -> Self {
        Self { model: change(self.model), ..self }
    }

    /// The value of a loss, a tensor of one element.
    ///
    /// # Errors
    /// [`Error::Failed`] if it cannot be read.
    pub fn value(loss: &Tensor<1>) -> Result<f64> {
        let value = loss.clone().try_into_scalar::<f32>();
        value.map(f64::from).map_err(|error| Error::Failed(format!("the loss cannot be read: {error}")))
    }

    /// One step of size `rate` down the gradient of a loss of this network; gradients of a joint norm above `clip` are scaled down.
    ///
    /// # Errors
    /// [`Error::Failed`] if gradients cannot be read, or are not finite where they are to be clipped.
    pub fn step(mut self, loss: &Tensor<1>, rate: f64, clip: Option<f64>) -> Result<Self> {
        let mut gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        if let Some(largest) = clip {
            clip_joint_norm(&mut gradients, &self.model, largest)?;
        }
        self.model = self.optimizer.step(rate, self.model, gradients);
        Ok(self)
    }

    /// Writes weights, moments and the identities under which these are kept into a folder.
    ///
    /// # Errors
    /// [`Error::Failed`] or [`Error::Io`] if they cannot be had or written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        let [weights_path, moments, ids] = paths(folder, name);
        weights::save(&self.model, &weights_path)?;
        let failed = |error| Error::Failed(format!("cannot write {}: {error}", moments.display()));
        self.optimizer.save(&moments).map_err(failed)?;
        let text = serde_json::to_string_pretty(&weights::ids(&self.model));
        let text = text.map_err(|error| Error::Failed(format!("cannot write {}: {error}", ids.display())))?;
        std::fs::write(&ids, text + "\n").map_err(Error::io("write", &ids))
    }

    /// This network and optimiser, at the point that [`Learner::write`] kept.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::Input`] if it is damaged or of another network.
    pub fn resume(self, folder: &Path, name: &str) -> Result<Self> {
        let [weights_path, moments, ids] = paths(folder, name);
        let text = std::fs::read_to_string(&ids).map_err(Error::io("read", &ids))?;
        let wrong = |path: &Path, error: String| Error::Input(format!("cannot go on from {}: {error}", path.display()));
        let parameters: BTreeMap<String, u64> =
            serde_json::from_str(&text).map_err(|error| wrong(&ids, error.to_string()))?;
        let model = weights::load_with_ids(self.model, &weights_path, &parameters)?;
        let optimizer = self.optimizer.load(&moments).map_err(|error| wrong(&moments, error.to_string()))?;
        Ok(Self { model, optimizer })
    }
}

/// The files of a network's weights, of the optimiser's moments, and of the parameters' identities.
fn paths(folder: &Path, name: &str) -> [std::path::PathBuf; 3] {
    [format!("{name}.safetensors"), format!("{name}-optimizer.bpk"), format!("{name}-ids.json")]
        .map(|file| folder.join(file))
}
