//! Operations that a CPU spends its time in, fused.
//!
//! Each function here is one operation of a network with its gradient. On Burn's CPU backend with 32-bit
//! floats it runs as one kernel on plain slices; on every other device, and for other types, it is
//! composed of Burn's own operations, to the same values up to rounding. A test of each holds the two
//! together, and to finite differences.
//!
//! What makes the kernels faster than the composition is not the matrix products, which are the same:
//! fewer passes over memory, no fresh buffer for every step of a chain, and elementary functions that
//! the compiler vectorises. The instruction set is detected at run time. Results do not depend on the
//! number of threads. This folder is the only one with `unsafe` code.

#![allow(unsafe_code, reason = "calls of functions compiled for an instruction set, and of gemm")]

mod adam;
mod attention;
mod cross_entropy;
mod embedding;
mod gelu;
mod gumbel;
mod layer_norm;
mod linear;
mod lstm;
mod node;
mod product;
mod simd;
#[cfg(test)]
mod testing;
mod text_convolution;
mod tile;

pub use adam::{Adam, AdamConfig};
pub(crate) use attention::attend;
pub use attention::causal_attention;
pub use cross_entropy::{Orientation, linear_cross_entropy};
pub(crate) use cross_entropy::{log_sum_exp, softmax_in_place};
pub use embedding::embedding;
pub use gelu::gelu;
pub(crate) use gelu::gelu_rows;
pub use gumbel::{Noise, gumbel_noise, gumbel_softmax};
pub use layer_norm::layer_norm;
pub(crate) use layer_norm::normalise_rows;
pub(crate) use linear::linear_packed;
pub use linear::{apply, linear};
pub use lstm::lstm;
pub(crate) use lstm::lstm_step;
pub(crate) use product::{Matrix, Packed, Start, Threads, product_packed};
pub(crate) use simd::sum_of;
pub use text_convolution::convolve_max;
