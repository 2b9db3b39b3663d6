//! Looking vectors up.

use super::node::{self, Kernel, Values};
use super::simd::vectorized;
use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

/// Ids that one task looks up, and rows of the table whose gradient one task sums.
const IDS: usize = 64;
const TABLE: usize = 1024;

/// The rows of `weight`, `[rows, size]`, that `ids` name: `[ids, size]`. Ids are below the number of rows.
///
/// The gradient is summed in the order of the ids, whatever the threads.
pub fn embedding(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    match node::run([weight.into_dispatch()], |[weight], tracked| {
        let (rows, size) = (weight.shape()[0], weight.shape()[1]);
        let table = weight.slice();
        let mut out = vec![0.0; ids.len() * size];
        out.par_chunks_mut(size.max(1)).zip(ids).with_min_len(IDS).for_each(|(out, &id)| {
            out.copy_from_slice(&table[id as usize * size..(id as usize + 1) * size]);
        });
        let kept = tracked.then(|| Embedding { ids: ids.to_vec(), rows });
        (Values::new(out, [ids.len(), size]), kept)
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([weight]) => composed(Tensor::from_dispatch(weight), ids),
    }
}

fn composed(weight: Tensor<2>, ids: &[u32]) -> Tensor<2> {
    let device = weight.device();
    let ids: Vec<i32> = ids.iter().map(|&id| id.cast_signed()).collect();
    let n = ids.len();
    weight.select(0, Tensor::<1, Int>::from_data(TensorData::new(ids, [n]), &device))
}

#[derive(Clone, Debug)]
struct Embedding {
    ids: Vec<u32>,
    rows: usize,
}

impl Kernel<1> for Embedding {
    fn backward(self, gradient: Values, _needed: [bool; 1]) -> [Option<Values>; 1] {
        let size = gradient.shape()[1];
        let mut sums = vec![0.0; self.rows * size];
        // Each task has some rows of the table, and looks for their ids.
        let table = sums.par_chunks_mut(TABLE * size.max(1)).enumerate();
        table.for_each(|(i, sums)| scatter(gradient.slice(), &self.ids, size, i * TABLE, sums));
        [Some(Values::new(sums, [self.rows, size]))]
    }
}

vectorized! {
    fn scatter(gradient: &[f32], ids: &[u32], size: usize, first: usize, sums: &mut [f32]) {
        for (&id, row) in ids.iter().zip(gradient.chunks_exact(size.max(1))) {
            let Some(at) = (id as usize).checked_sub(first).filter(|at| (at + 1) * size <= sums.len()) else {
                continue;
            };
            let sum = &mut sums[at * size..(at + 1) * size];
            for (s, &g) in sum.iter_mut().zip(row) {
                *s += g;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        let ids = [3, 0, 3, 4, 3];
        agree(
            [draw(5 * 7, 1)],
            |[w]| embedding(w.reshape([5, 7]), &ids).flatten(0, 1),
            |[w]| composed(w.reshape([5, 7]), &ids).flatten(0, 1),
        );
    }
}
