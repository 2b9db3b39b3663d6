//! The arithmetic of the LSTM oracle: a small matrix product, an exponential and the cell.
//!
//! Each output is summed over the inputs in a fixed order, so a sentence's density has the same bits
//! in whichever batch, on whichever thread and at whichever vector width it is computed.

/// Columns that are computed side by side. Four rows of eight sums fit the sixteen registers of SSE2, which is
/// what a portable build has.
pub(super) const LANES: usize = 8;

/// Rows that share one pass over a tile of the matrix.
pub(super) const ROWS: usize = 4;

/// Columns whose exponentials are summed in single precision before they go to double precision.
const BLOCK: usize = 128;

/// A matrix and a bias, stored in tiles of [`LANES`] columns: out = in · W + b.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    inputs: usize,
    /// For each tile of columns: the bias (`LANES`), then the weights (`inputs` × `LANES`).
    tiles: Vec<f32>,
    columns: usize,
}

impl Projection {
    /// Packs a row-major matrix of `inputs` × `bias.len()`. Columns that fill up the last tile get the
    /// bias `padding`.
    pub(super) fn new(weights: &[f32], bias: &[f32], padding: f32) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs;
        let columns = outputs.next_multiple_of(LANES);
        let mut tiles = Vec::with_capacity(columns * (inputs + 1));
        for start in (0..outputs).step_by(LANES) {
            let end = (start + LANES).min(outputs);
            let fill = LANES - (end - start);
            tiles.extend_from_slice(&bias[start..end]);
            tiles.extend(std::iter::repeat_n(padding, fill));
            for row in weights.chunks_exact(outputs) {
                tiles.extend_from_slice(&row[start..end]);
                tiles.extend(std::iter::repeat_n(0.0, fill));
            }
        }
        Self { inputs, tiles, columns }
    }

    /// How many columns [`apply`](Self::apply) writes: the outputs, rounded up to full tiles.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Multiplies rows (n × inputs) into `out` (n × columns); n must be a multiple of [`ROWS`].
    pub(super) fn apply(&self, rows: &[f32], out: &mut [f32]) {
        for (tile, weights) in self.tiles.chunks_exact(LANES * (self.inputs + 1)).enumerate() {
            let ([bias, weights @ ..], _) = weights.as_chunks::<LANES>() else { continue };
            let groups = rows.chunks_exact(ROWS * self.inputs).zip(out.chunks_exact_mut(ROWS * self.columns));
            for (x, y) in groups {
                let (x0, x) = x.split_at(self.inputs);
                let (x1, x) = x.split_at(self.inputs);
                let (x2, x3) = x.split_at(self.inputs);
                // Four plain arrays stay in registers where an array of arrays does not.
                let (mut s0, mut s1, mut s2, mut s3) = (*bias, *bias, *bias, *bias);
                for ((w, (a, b)), (c, d)) in weights.iter().zip(x0.iter().zip(x1)).zip(x2.iter().zip(x3)) {
                    for j in 0..LANES {
                        s0[j] += a * w[j];
                        s1[j] += b * w[j];
                        s2[j] += c * w[j];
                        s3[j] += d * w[j];
                    }
                }
                for (sum, y) in [s0, s1, s2, s3].iter().zip(y.chunks_exact_mut(self.columns)) {
                    y[tile * LANES..(tile + 1) * LANES].copy_from_slice(sum);
                }
            }
        }
    }
}

/// e^x to a relative error below 2e-7 for x in [−86, 88]; x is clamped to that range.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 7, whose remainder is
/// below (ln 2 / 2)⁸/8! ≈ 5e-9; 2ⁿ by adding n to the exponent's bits. There is no branch and no table,
/// so that the compiler can put it in vector registers.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first exact in few bits, so that n·HIGH is exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let x = if x > -86.0 { x } else { -86.0 };
    let x = if x < 88.0 { x } else { 88.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * HIGH - n * LOW;
    let p = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let p = 1.0 / 24.0 + r * (1.0 / 120.0 + r * p);
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * p)));
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The logistic function.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, to an absolute error below 3e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

/// One step of the cell for one sentence. `gates` holds the pre-activations of the input, forget and
/// output gates and of the candidate, each as long as `hidden`: c ← f·c + i·tanh(candidate),
/// h ← o·tanh(c).
pub(super) fn cell(gates: &[f32], state: &mut [f32], hidden: &mut [f32]) {
    let n = hidden.len();
    let (i, rest) = gates.split_at(n);
    let (f, rest) = rest.split_at(n);
    let (o, rest) = rest.split_at(n);
    let candidate = &rest[..n];
    for k in 0..n {
        state[k] = sigmoid(f[k]) * state[k] + sigmoid(i[k]) * tanh(candidate[k]);
        hidden[k] = sigmoid(o[k]) * tanh(state[k]);
    }
}

/// A softmax that has not been divided yet.
pub(super) struct Unnormalised {
    /// The largest logit, which was subtracted.
    pub(super) max: f32,
    /// The sum of the exponentials.
    pub(super) total: f64,
}

/// Replaces logits (a multiple of [`LANES`] of them) by e^(logit − max); `blocks` gets the sum of each
/// block of columns.
pub(super) fn exponentiate(logits: &mut [f32], blocks: &mut Vec<f64>) -> Unnormalised {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for group in logits.as_chunks::<LANES>().0 {
        for j in 0..LANES {
            lanes[j] = if group[j] > lanes[j] { group[j] } else { lanes[j] };
        }
    }
    let max = lanes.into_iter().fold(f32::NEG_INFINITY, f32::max);
    blocks.clear();
    for block in logits.chunks_mut(BLOCK) {
        // Two loops, because the compiler does not vectorise the exponential inside the sum.
        for x in block.iter_mut() {
            *x = exp(*x - max);
        }
        let mut sums = [0f32; LANES];
        for group in block.as_chunks::<LANES>().0 {
            for j in 0..LANES {
                sums[j] += group[j];
            }
        }
        blocks.push(sums.iter().map(|&x| f64::from(x)).sum());
    }
    Unnormalised { max, total: blocks.iter().sum() }
}

/// The index at which the cumulative sum of weights passes `target`; `blocks` are their sums by block.
/// Rounding can carry the target past the end of a block; its last index is returned then.
pub(super) fn search(weights: &[f32], blocks: &[f64], mut target: f64) -> usize {
    let mut block = 0;
    while block + 1 < blocks.len() && target >= blocks[block] {
        target -= blocks[block];
        block += 1;
    }
    let start = block * BLOCK;
    let end = (start + BLOCK).min(weights.len());
    for (j, &weight) in weights[start..end].iter().enumerate() {
        target -= f64::from(weight);
        if target < 0.0 {
            return start + j;
        }
    }
    end - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_exponential_keeps_its_bound() {
        let worst = (-85_999..=87_999)
            .map(|i| {
                let x = i as f32 * 1e-3;
                let exact = f64::from(x).exp();
                ((f64::from(exp(x)) - exact) / exact).abs()
            })
            .fold(0.0, f64::max);
        assert!(worst < 2e-7, "{worst:e}");
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(200.0).is_finite());
    }

    proptest! {
        #[test]
        fn a_projection_is_a_matrix_product(
            inputs in 1usize..7,
            outputs in 1usize..40,
            values in proptest::collection::vec(-2f32..2.0, 400),
        ) {
            let weights = &values[..inputs * outputs];
            let bias = &values[inputs * outputs..(inputs + 1) * outputs];
            let rows = &values[400 - 8 * inputs..];
            let projection = Projection::new(weights, bias, -1.0);
            let columns = projection.columns();
            let mut out = vec![0.0; 8 * columns];
            projection.apply(rows, &mut out);
            for (row, out) in rows.chunks(inputs).zip(out.chunks(columns)) {
                for j in 0..columns {
                    let products = |j: usize| row.iter().enumerate().map(move |(k, x)| x * weights[k * outputs + j]);
                    let direct = if j < outputs { bias[j] + products(j).sum::<f32>() } else { -1.0 };
                    prop_assert!((out[j] - direct).abs() < 1e-5);
                }
            }
        }

        #[test]
        fn the_total_matches_double_precision(logits in proptest::collection::vec(-30f32..30.0, 320)) {
            let max = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
            let exact = max + logits.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln();
            let softmax = exponentiate(&mut logits.clone(), &mut Vec::new());
            let ours = f64::from(softmax.max) + softmax.total.ln();
            prop_assert!((ours - exact).abs() < 1e-5 * exact.abs().max(0.1));
        }

        #[test]
        fn the_search_inverts_the_cumulative_sum(
            logits in proptest::collection::vec(-3f32..3.0, 320),
            u in 0f64..1.0,
        ) {
            let mut weights = logits;
            let mut blocks = Vec::new();
            let total = exponentiate(&mut weights, &mut blocks).total;
            let found = search(&weights, &blocks, u * total);
            let below: f64 = weights[..found].iter().map(|&w| f64::from(w)).sum();
            let upto = below + f64::from(weights[found]);
            prop_assert!(below - 1e-4 <= u * total && u * total <= upto + 1e-4);
        }
    }
}
