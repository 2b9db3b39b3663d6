//! How every kernel is tested: against Burn's composition, and against finite differences.

use crate::{Init, device};
use burn::tensor::{Device, Tensor, TensorData};
use trueness_core::Seed;

/// `n` values about as large as those of a network, in (−1, 1).
pub(super) fn draw(n: usize, seed: u64) -> Vec<f32> {
    Init::Uniform { low: -1.0, high: 1.0 }.values(n, Seed::new(seed))
}

fn leaf(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// The output, and the gradient of its product with fixed weights with respect to every input.
fn evaluate<const N: usize>(
    inputs: &[Vec<f32>; N],
    operation: impl Fn([Tensor<1>; N]) -> Tensor<1>,
) -> (Vec<f32>, [Vec<f32>; N]) {
    let device = device::parse("cpu").unwrap().autodiff();
    let leaves = inputs.each_ref().map(|values| leaf(values, &device).require_grad());
    let output = operation(leaves.clone());
    let values = output.clone().into_data().try_to_vec::<f32>().unwrap();
    let weights = leaf(&draw(values.len(), 99), &device);
    let gradients = (output * weights).sum().backward();
    let gradients = leaves.map(|leaf| leaf.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap());
    (values, gradients)
}

/// ‖a − b‖ / ‖b‖.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |xs: &mut dyn Iterator<Item = f64>| xs.map(|x| x * x).sum::<f64>().sqrt();
    let gap = norm(&mut a.iter().zip(b).map(|(&x, &y)| f64::from(x) - f64::from(y)));
    gap / norm(&mut b.iter().map(|&y| f64::from(y))).max(1e-12)
}

/// Holds a kernel together with the composition of Burn's own operations (values and gradients within
/// 10⁻⁵ in relative L2), without a graph too, and with central differences along random directions.
/// Inputs are flat; the operations give them their shapes.
pub(super) fn agree<const N: usize>(
    inputs: [Vec<f32>; N],
    kernel: impl Fn([Tensor<1>; N]) -> Tensor<1>,
    composed: impl Fn([Tensor<1>; N]) -> Tensor<1>,
) {
    agree_with_step(2e-3, inputs, kernel, composed);
}

/// As [`agree`] with a step of one's own: a function with kinks wants a small one, so that few are crossed.
pub(super) fn agree_with_step<const N: usize>(
    step: f32,
    inputs: [Vec<f32>; N],
    kernel: impl Fn([Tensor<1>; N]) -> Tensor<1>,
    composed: impl Fn([Tensor<1>; N]) -> Tensor<1>,
) {
    let (values, gradients) = evaluate(&inputs, &kernel);
    let (expected, expected_gradients) = evaluate(&inputs, &composed);
    assert!(distance(&values, &expected) < 1e-5, "values: {:e}", distance(&values, &expected));
    for (i, (gradient, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
        assert!(distance(gradient, expected) < 1e-5, "gradient {i}: {:e}", distance(gradient, expected));
    }
    let plain = device::parse("cpu").unwrap();
    let without_graph = |inputs: &[Vec<f32>; N]| -> Vec<f32> {
        kernel(inputs.each_ref().map(|values| leaf(values, &plain))).into_data().try_to_vec().unwrap()
    };
    assert!(distance(&without_graph(&inputs), &values) < 1e-6);
    let weights = draw(values.len(), 99);
    let objective = |inputs: &[Vec<f32>; N]| -> f64 {
        without_graph(inputs).iter().zip(&weights).map(|(&y, &w)| f64::from(y) * f64::from(w)).sum()
    };
    for i in 0..N {
        let direction = draw(inputs[i].len(), 1000 + i as u64);
        let moved = |sign: f32| {
            let mut moved = inputs.clone();
            moved[i].iter_mut().zip(&direction).for_each(|(x, &d)| *x += sign * step * d);
            objective(&moved)
        };
        let difference = (moved(1.0) - moved(-1.0)) / (2.0 * f64::from(step));
        let product = |xs: &[f32]| xs.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let slope: f64 = gradients[i].iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
        // Relative to the largest slope that there could be, since a direction may be nearly level.
        let scale = product(&gradients[i]) * product(&direction) / (direction.len() as f64).sqrt();
        assert!((difference - slope).abs() < 0.02 * scale.max(0.05), "input {i}: {difference} and {slope} of {scale}");
    }
}
