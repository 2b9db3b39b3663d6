//! What a convolutional classifier sees of a sentence as it grows, token by token.

use crate::dense::Dense;
use crate::kernel::{self, Matrix, Packed, Start, Threads};
use crate::lstm::{copy_rows, packed, values};
use crate::text_cnn::TextCnn;
use burn::tensor::Tensor;
use trueness_core::Result;

/// The features of a [`TextCnn`] for every prefix of sentences, without looking at a prefix anew for each token.
///
/// The padding behind a prefix is as in [`TextCnn::batch`]: of all windows those within the prefix never change, so that their
/// maximum is kept; what a window that reaches beyond it has from its tokens so far is kept too, and what it has from padding is
/// known beforehand.
#[derive(Clone, Debug)]
pub(crate) struct PrefixFeatures {
    size: usize,
    embedding: Vec<f32>,
    widths: Vec<Width>,
    /// What a token adds to a window at each of its places, `[size, Σ width · filters]`.
    parts: Packed,
    bias: Vec<f32>,
    transform: Dense,
    gate: Dense,
}

/// Filters of one width.
#[derive(Clone, Debug)]
struct Width {
    width: usize,
    filters: usize,
    /// Where its part begins among those of a token, and its features among all.
    part: usize,
    feature: usize,
    /// What padding adds to a window with so many tokens, `[width, filters]`.
    padding: Vec<f32>,
}

/// What is kept of some sentences of one length.
#[derive(Clone, Debug)]
pub(crate) struct PrefixState {
    batch: usize,
    length: usize,
    /// The largest of the windows that lie within the sentence, `[batch, features]`.
    within: Vec<f32>,
    /// By width, and the number of a window's tokens so far from 1 on: what these add, `[batch, filters]`.
    open: Vec<Vec<Vec<f32>>>,
}

impl PrefixFeatures {
    pub(crate) fn of(network: &TextCnn) -> Result<Self> {
        let size = network.embedding.dims()[1];
        let embedding = values(network.embedding.val())?;
        let (mut widths, mut parts) = (Vec::new(), Vec::new());
        let (mut part, mut feature) = (0, 0);
        for filter in &network.convolutions {
            let [rows, filters] = filter.weight.dims();
            let weight = filter.weight.val();
            let places: Vec<Tensor<2>> = (0..filter.width).map(|j| weight.clone().narrow(0, j * size, size)).collect();
            let weight = values(weight)?;
            let mut padding = vec![0.0; filter.width * filters];
            for first in (0..filter.width).rev() {
                for filter in 0..filters {
                    let own: f32 = (first * size..(first + 1) * size)
                        .map(|row| embedding[row - first * size] * weight[row * filters + filter])
                        .sum();
                    let behind = padding.get((first + 1) * filters + filter).copied().unwrap_or(0.0);
                    padding[first * filters + filter] = own + behind;
                }
            }
            debug_assert_eq!(rows, filter.width * size);
            widths.push(Width { width: filter.width, filters, part, feature, padding });
            parts.extend(places);
            part += filter.width * filters;
            feature += filters;
        }
        let biases = network.convolutions.iter().map(|filter| values(filter.bias.val()));
        Ok(Self {
            size,
            embedding,
            widths,
            parts: packed(Tensor::cat(parts, 1))?,
            bias: biases.collect::<Result<Vec<_>>>()?.concat(),
            transform: Dense::of(&network.highway.transform)?,
            gate: Dense::of(&network.highway.gate)?,
        })
    }

    /// How many features there are.
    pub(crate) fn features(&self) -> usize {
        self.bias.len()
    }

    /// Sentences without a token.
    pub(crate) fn start(&self, batch: usize) -> PrefixState {
        let open = |width: &Width| vec![vec![0.0; batch * width.filters]; width.width - 1];
        PrefixState {
            batch,
            length: 0,
            within: vec![f32::NEG_INFINITY; batch * self.features()],
            open: self.widths.iter().map(open).collect(),
        }
    }

    /// Some of the sentences, by number.
    pub(crate) fn chosen(&self, state: &PrefixState, rows: &[usize]) -> PrefixState {
        let mut chosen = PrefixState { length: state.length, ..self.start(rows.len()) };
        copy_rows(&state.within, rows, &mut chosen.within);
        for (to, from) in chosen.open.iter_mut().flatten().zip(state.open.iter().flatten()) {
            copy_rows(from, rows, to);
        }
        chosen
    }

    /// Each sentence becomes longer by a token.
    pub(crate) fn push(&self, state: &mut PrefixState, tokens: impl Iterator<Item = u32>) {
        let row = |token: u32| self.embedding[token as usize * self.size..(token as usize + 1) * self.size].iter();
        let x: Vec<f32> = tokens.flat_map(row).copied().collect();
        let (all, features) = (self.widths.iter().map(|w| w.width * w.filters).sum::<usize>(), self.features());
        let mut parts = vec![0.0; state.batch * all];
        let x = Matrix::new(&x, state.batch, self.size);
        kernel::product_packed(Start::Zero, x, &self.parts, &mut parts, all, Threads::One);
        for (Width { width, filters, part, feature, .. }, open) in self.widths.iter().zip(&mut state.open) {
            // The windows that began with each of the last tokens, the longest one first.
            for place in (0..*width).rev() {
                let new = parts.chunks_exact(all).map(|parts| &parts[part + place * filters..][..*filters]);
                if place > state.length {
                    continue;
                }
                if place + 1 == *width {
                    let before = if place == 0 { None } else { open.get(place - 1) };
                    for (i, (within, new)) in state.within.chunks_exact_mut(features).zip(new).enumerate() {
                        for (j, (within, new)) in within[*feature..][..*filters].iter_mut().zip(new).enumerate() {
                            *within = within.max(before.map_or(0.0, |before| before[i * filters + j]) + new);
                        }
                    }
                    continue;
                }
                let (before, here) = open.split_at_mut(place);
                for (i, (here, new)) in here[0].chunks_exact_mut(*filters).zip(new).enumerate() {
                    for (j, (here, new)) in here.iter_mut().zip(new).enumerate() {
                        *here = before.last().map_or(0.0, |before| before[i * filters + j]) + new;
                    }
                }
            }
        }
        state.length += 1;
    }

    /// The features of the sentences as they are, `[batch, features]`.
    pub(crate) fn read(&self, state: &PrefixState) -> Vec<f32> {
        let mut pooled = state.within.clone();
        for (i, pooled) in pooled.chunks_exact_mut(self.features()).enumerate() {
            for (Width { filters, feature, padding, .. }, open) in self.widths.iter().zip(&state.open) {
                let pooled = &mut pooled[*feature..][..*filters];
                // A window of padding alone.
                pooled.iter_mut().zip(padding).for_each(|(pooled, padding)| *pooled = pooled.max(*padding));
                for (tokens, open) in open.iter().enumerate().take(state.length) {
                    let rest = &padding[(tokens + 1) * filters..];
                    for ((pooled, open), rest) in pooled.iter_mut().zip(&open[i * filters..]).zip(rest) {
                        *pooled = pooled.max(open + rest);
                    }
                }
            }
            pooled.iter_mut().zip(&self.bias).for_each(|(pooled, bias)| *pooled = (*pooled + bias).max(0.0));
        }
        let gate = self.gate.apply(&pooled, state.batch);
        let transformed = self.transform.apply(&pooled, state.batch);
        for ((x, gate), transformed) in pooled.iter_mut().zip(gate).zip(transformed) {
            *x += (transformed.max(0.0) - *x) / (1.0 + (-gate).exp());
        }
        pooled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;
    use crate::{TextCnnConfig, device};
    use trueness_core::Seed;

    #[test]
    fn prefixes_have_the_features_of_the_whole_network() {
        let device = device::parse("cpu").unwrap();
        let config =
            TextCnnConfig { embedding: 6, widths: vec![1, 2, 5], filters: vec![3, 4, 5], ..TextCnnConfig::small(9) };
        let network = config.init(&device, Seed::new(5)).unwrap();
        let sentences: Vec<Vec<u32>> =
            (0..4).map(|i| (0..8).map(|t| 1 + (3 * i + t * t + i * t) % 8).collect()).collect();
        let prefixes = PrefixFeatures::of(&network).unwrap();
        let mut state = prefixes.start(4);
        for length in 0..=8 {
            let so_far: Vec<&[u32]> = sentences.iter().map(|sentence| &sentence[..length]).collect();
            let whole = network.features(network.batch(&so_far)).try_into_vec_as::<f32>().unwrap();
            let found = prefixes.read(&state);
            for (found, whole) in found.iter().zip(&whole) {
                assert!((found - whole).abs() < 1e-5, "{length}: {found} {whole}");
            }
            // The same for some of them, in another order.
            let some = prefixes.read(&prefixes.chosen(&state, &[2, 0]));
            let size = prefixes.features();
            assert_eq!(some[..size], found[2 * size..3 * size]);
            if length < 8 {
                prefixes.push(&mut state, sentences.iter().map(|sentence| sentence[length]));
            }
        }
    }
}
