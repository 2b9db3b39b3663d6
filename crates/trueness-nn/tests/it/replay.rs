//! Fixtures that replay another library: weights, gradients and values of one network.

use std::collections::BTreeMap;
use std::path::Path;
use trueness_nn::burn::module::Module;
use trueness_nn::burn::tensor::{DType, TensorData};
use trueness_nn::weights;

/// Tensors by name; `weight:PATH` and `gradient:PATH` are those of a network's parameters.
pub(crate) struct Fixture(BTreeMap<String, TensorData>);

impl Fixture {
    pub(crate) fn open(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let data = |view: safetensors::tensor::TensorView<'_>| {
            TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), DType::F32)
        };
        Self(file.tensors().into_iter().map(|(name, view)| (name, data(view))).collect())
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.0.get(name).unwrap_or_else(|| panic!("no {name}")).try_to_vec_as::<f64>().unwrap()
    }

    /// The paths of parameters that have a gradient, in order.
    pub(crate) fn gradients(&self) -> Vec<String> {
        self.0.keys().filter_map(|name| Some(name.strip_prefix("gradient:")?.to_owned())).collect()
    }

    /// The network with the fixture's weights, each of which it has to have.
    pub(crate) fn load<M: Module>(&self, model: M) -> M {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let weights: BTreeMap<String, TensorData> = self
            .0
            .iter()
            .filter_map(|(name, data)| Some((name.strip_prefix("weight:")?.to_owned(), data.clone())))
            .collect();
        write(&path, &weights);
        weights::load(model, &path).unwrap()
    }
}

/// A file of weights from values.
pub(crate) fn write(path: &Path, values: &BTreeMap<String, TensorData>) {
    use safetensors::{Dtype, tensor::TensorView};
    let views: Vec<_> = values
        .iter()
        .map(|(name, data)| {
            let dtype = if data.dtype() == DType::F64 { Dtype::F64 } else { Dtype::F32 };
            (name.as_str(), TensorView::new(dtype, data.shape().to_vec(), data.as_bytes()).unwrap())
        })
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

/// ‖a − b‖ / ‖b‖.
pub(crate) fn relative_l2(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let difference: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}
