//! Adam in one pass over memory.

use super::simd::{multiply_add, vectorized};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::optim::{AdamState, AdaptiveMomentumState};
use burn::optim::{LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Elements that one task works on.
const CHUNK: usize = 1 << 15;

/// Adam's settings (Kingma and Ba 2015; the decoupled weight decay is Loshchilov and Hutter's, 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamConfig {
    /// How much of the mean gradient is kept, in [0, 1).
    pub beta_1: f32,
    /// How much of the mean squared gradient is kept, in [0, 1).
    pub beta_2: f32,
    /// What keeps the denominator from 0.
    pub epsilon: f32,
    /// How much of each parameter is taken away at each step, as a share of the learning rate.
    pub weight_decay: f32,
}

impl Default for AdamConfig {
    /// The paper's settings, without weight decay.
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamConfig {
    /// An optimiser of all parameters of a module.
    pub fn init(self) -> ModuleOptimizer {
        ModuleOptimizer::from(Adam(self))
    }
}

/// Adam, updating parameters and moments in place where nothing else holds them. The state is that of
/// Burn's own Adam.
#[derive(Clone, Copy, Debug)]
pub struct Adam(AdamConfig);

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let config = self.0;
        let state = match state {
            Some(state) => state.momentum,
            None => {
                let (shape, device) = (tensor.shape(), tensor.device());
                let zeros = || Tensor::zeros(shape.clone(), (&device, tensor.dtype()));
                AdaptiveMomentumState::new(0, zeros(), zeros())
            }
        };
        let time = state.time + 1;
        let power = i32::try_from(time).unwrap_or(i32::MAX);
        let correction_1 = 1.0 - f64::from(config.beta_1).powi(power);
        let correction_2 = 1.0 - f64::from(config.beta_2).powi(power);
        let step = Step {
            config,
            rate: (rate / correction_1) as f32,
            root: correction_2.sqrt().recip() as f32,
            decay: (1.0 - rate * f64::from(config.weight_decay)) as f32,
        };
        let (tensor, moment_1, moment_2) = step.apply(tensor, gradient, state.moment_1, state.moment_2);
        (tensor, Some(AdamState::new(AdaptiveMomentumState::new(time, moment_1, moment_2))))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

/// One step with everything that does not depend on the element.
#[derive(Clone, Copy)]
struct Step {
    config: AdamConfig,
    /// The learning rate over the first moment's correction.
    rate: f32,
    /// One over the root of the second moment's correction.
    root: f32,
    decay: f32,
}

impl Step {
    fn apply<const D: usize>(
        &self,
        p: Tensor<D>,
        g: Tensor<D>,
        m: Tensor<D>,
        v: Tensor<D>,
    ) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
        match [p.clone(), g.clone(), m.clone(), v.clone()].map(flex) {
            [Some(a), Some(b), Some(c), Some(d)] => {
                // The clones above must be gone before the values are looked at, or nothing is in place.
                drop((p, g, m, v));
                let [p, m, v] = self.in_place(a, &b, c, d);
                let back = Tensor::from_primitive::<Flex>;
                (back(p), back(m), back(v))
            }
            _ => self.composed(p, g, m, v),
        }
    }

    fn composed<const D: usize>(
        &self,
        p: Tensor<D>,
        g: Tensor<D>,
        m: Tensor<D>,
        v: Tensor<D>,
    ) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
        let AdamConfig { beta_1, beta_2, epsilon, .. } = self.config;
        let m = m.mul_scalar(beta_1) + g.clone().mul_scalar(1.0 - beta_1);
        let v = v.mul_scalar(beta_2) + g.square().mul_scalar(1.0 - beta_2);
        let denominator = v.clone().sqrt().mul_scalar(self.root).add_scalar(epsilon);
        let p = p.mul_scalar(self.decay) - m.clone().mul_scalar(self.rate) / denominator;
        (p, m, v)
    }

    fn in_place(&self, p: FlexTensor, g: &FlexTensor, m: FlexTensor, v: FlexTensor) -> [FlexTensor; 3] {
        let mut all = [p, m, v];
        let g = g.to_contiguous();
        let start = g.layout().start_offset();
        let gradient = &g.storage::<f32>()[start..start + g.layout().num_elements()];
        let [p, m, v] = all.each_mut().map(|tensor| {
            if !tensor.is_contiguous() || tensor.layout().start_offset() != 0 {
                *tensor = tensor.to_contiguous();
            }
            &mut tensor.storage_mut::<f32>()[..gradient.len()]
        });
        p.par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)))
            .for_each(|((p, g), (m, v))| update(self, p, g, m, v));
        all
    }
}

/// The values of a tensor on the CPU that has no graph.
fn flex<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    tensor.try_into_primitive::<Flex>().ok()
}

vectorized! {
    fn update(step: &Step, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let Step { config: AdamConfig { beta_1, beta_2, epsilon, .. }, rate, root, decay } = *step;
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            *m = multiply_add::<FMA>(beta_1, *m, (1.0 - beta_1) * g);
            *v = multiply_add::<FMA>(beta_2, *v, (1.0 - beta_2) * g * g);
            *p = *p * decay - rate * *m / multiply_add::<FMA>(v.sqrt(), root, epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::kernel::testing::{distance, draw};
    use burn::tensor::TensorData;

    #[test]
    fn ten_steps_equal_the_formula_in_double_precision_and_the_composition() {
        let config = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
        let n = CHUNK + 7;
        let (mut p, mut m, mut v) =
            (draw(n, 1).iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), vec![0.0; n], vec![0.0; n]);
        let device = device::parse("cpu").unwrap();
        let tensor = |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values, [n]), &device);
        let (mut ours, mut state) = (tensor(draw(n, 1)), None);
        let (mut other, mut other_m, mut other_v) = (tensor(draw(n, 1)), tensor(vec![0.0; n]), tensor(vec![0.0; n]));
        for t in 1..=10 {
            let g = draw(n, 100 + t);
            for i in 0..n {
                let g = f64::from(g[i]);
                m[i] = 0.9f64 * m[i] + 0.1 * g;
                v[i] = 0.999f64 * v[i] + 0.001 * g * g;
                let (mh, vh) = (m[i] / (1.0 - 0.9f64.powi(t as i32)), v[i] / (1.0 - 0.999f64.powi(t as i32)));
                p[i] = p[i] * (1.0 - 0.01 * 0.1) - 0.01 * mh / (vh.sqrt() + 1e-8);
            }
            (ours, state) = Adam(config).step(0.01, ours, tensor(g.clone()), state);
            let power = t as i32;
            let step = Step {
                config,
                rate: (0.01 / (1.0 - 0.9f64.powi(power))) as f32,
                root: (1.0 - 0.999f64.powi(power)).sqrt().recip() as f32,
                decay: 1.0 - 0.001,
            };
            (other, other_m, other_v) = step.composed(other, tensor(g), other_m, other_v);
        }
        let expected: Vec<f32> = p.iter().map(|&x| x as f32).collect();
        for found in [ours, other] {
            assert!(distance(&found.into_data().try_to_vec::<f32>().unwrap(), &expected) < 2e-6);
        }
    }
}
