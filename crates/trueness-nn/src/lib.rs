//! A thin layer over [Burn](https://burn.dev): where a network runs ([`device`]), how its weights
//! begin ([`init`]), what it is built of ([`dropout`], [`Highway`], [`TextCnn`]), how it is trained
//! ([`fit()`]) and how it is kept ([`weights`], [`checkpoint`]).
//!
//! What Burn has is used as it is, and Burn itself is re-exported. What is added is reproducibility:
//! Burn draws its initial weights and dropout masks from one generator of the whole process, so that
//! a result depends on what ran before. Here they come from a [`trueness_core::Seed`], and a training
//! that was interrupted and resumed ends in the same weights, bit for bit, as one that was not.
//!
//! **Threads.** On the CPU, Burn works in rayon's current pool, and the results of this crate do not
//! depend on its size. One operation of Burn 0.22.1 would break that: the sum or mean of *all* elements
//! of a tensor of 2²² elements or more adds its parts in an order that follows the threads. Sum over one
//! dimension first.
//!
//! ```
//! use burn::tensor::Tensor;
//! use trueness_core::Seed;
//! use trueness_nn::{TextCnn, TextCnnConfig, burn, device};
//!
//! let device = device::parse("cpu")?;
//! let config = TextCnnConfig { embedding: 8, filters: vec![4, 4], ..TextCnnConfig::small(100) };
//! let model: TextCnn = config.init(&device, Seed::new(1))?;
//! let sentences: [&[u32]; 2] = [&[5, 9, 2], &[7]];
//! let logits: Tensor<2> = model.forward(model.batch(&sentences), None);
//! assert_eq!(logits.dims(), [2, 2]);
//! # Ok::<(), trueness_core::Error>(())
//! ```

pub mod checkpoint;
pub mod device;
pub mod dropout;
pub mod fit;
pub mod gradient;
pub mod hugging_face;
pub mod init;
pub mod kernel;
pub mod next_token;
pub mod sampling;
pub mod weights;

mod batches;
mod dense;
mod gpt2;
mod hierarchical;
mod highway;
mod learner;
mod lstm;
mod prefix_features;
mod relational_memory;
mod text_cnn;

pub use batches::batches_by_length;
pub use burn;
pub use checkpoint::Checkpoints;
pub use fit::{Best, Epoch, FitConfig, Fitted, Goal, Schedule, Task, fit};
pub use gpt2::{Gpt2, Gpt2Config, Gpt2Runner};
pub use hierarchical::{Goals, Hierarchical, HierarchicalConfig, HierarchicalRunner, Transition};
pub use highway::{Highway, HighwayConfig};
pub use init::{Init, MAX_PARAMETERS};
pub use learner::Learner;
pub use lstm::{LstmInit, LstmLayer, LstmModel, LstmModelConfig, LstmRunner};
pub use next_token::{NextToken, Runner, Sequences};
pub use relational_memory::{RelationalMemory, RelationalMemoryConfig, RelationalRunner};
pub use sampling::{RollOuts, Sampling, roll_out, sample};
pub use text_cnn::{Convolution, TextCnn, TextCnnConfig};
