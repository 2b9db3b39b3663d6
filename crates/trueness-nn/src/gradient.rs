//! Gradients of a whole module: by name, and clipped by their joint norm.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::collections::BTreeMap;
use trueness_core::{Error, Result};

/// The gradients of a loss with respect to the parameters that have one, by dotted path.
///
/// # Errors
/// [`Error::Failed`] if a gradient cannot be read from the device.
pub fn named<M: Module>(module: &M, loss: &Tensor<1>) -> Result<BTreeMap<String, Vec<f64>>> {
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    let mut named = Named { gradients: &gradients, path: Vec::new(), found: BTreeMap::new(), error: None };
    module.visit(&mut named);
    match named.error {
        Some(error) => Err(Error::Failed(format!("the gradients cannot be read: {error}"))),
        None => Ok(named.found),
    }
}

struct Named<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: BTreeMap<String, Vec<f64>>,
    error: Option<String>,
}

impl ModuleVisitor for Named<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        match gradient.try_into_vec_as::<f64>() {
            Ok(values) => drop(self.found.insert(self.path.join("."), values)),
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}

/// Scales all gradients of a module by one factor so that their joint Euclidean norm is at most
/// `largest` (Pascanu, Mikolov and Bengio 2013, algorithm 1). Returns the norm before. (Burn's own
/// clipping takes the norm of each tensor by itself, which changes the direction of the step.)
///
/// # Errors
/// [`Error::Failed`] if the norm cannot be read from the device or is not finite.
pub fn clip_joint_norm<M: Module>(gradients: &mut GradientsParams, module: &M, largest: f64) -> Result<f64> {
    let mut norm = Norm { gradients, squares: 0.0, error: None };
    module.visit(&mut norm);
    if let Some(error) = norm.error {
        return Err(Error::Failed(format!("the gradients cannot be read: {error}")));
    }
    let norm = norm.squares.sqrt();
    if !norm.is_finite() {
        return Err(Error::Failed(format!("the norm of the gradients is {norm}")));
    }
    if norm > largest {
        module.visit(&mut Scale { gradients, factor: largest / norm });
    }
    Ok(norm)
}

struct Norm<'a> {
    gradients: &'a GradientsParams,
    squares: f64,
    error: Option<String>,
}

impl ModuleVisitor for Norm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        // First over one dimension: a sum over all elements of a large tensor depends on the threads.
        match gradient.square().sum_dim(0).sum().try_into_scalar::<f32>() {
            Ok(sum) => self.squares += f64::from(sum),
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
