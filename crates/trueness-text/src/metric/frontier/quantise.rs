//! Quantising embeddings for the divergence frontier: unit length, principal components, k-means.

use crate::metric::embedding::Embeddings;
use crate::metric::embedding::moments::{Moments, eigen, mean};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rand::RngExt;
use rayon::prelude::*;
use trueness_core::{Result, Seed, Watch};

/// Points per product of points and centres: the distances of a block stay in the cache.
const BLOCK: usize = 128;

/// Lloyd's iterations end where they gain less than this share of the sum of squares.
const TOLERANCE: f64 = 1e-6;

/// Points in row-major order.
#[derive(Clone, Debug)]
pub(super) struct Points {
    pub(super) dims: usize,
    pub(super) data: Vec<f32>,
}

impl Points {
    pub(super) fn len(&self) -> usize {
        self.data.len() / self.dims
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.dims..][..self.dims]
    }
}

/// All rows scaled to length 1 (zero vectors stay) and projected on the fewest principal components of
/// the pool that hold the share `variance` of its variance. `None` where there is no variance.
pub(super) fn principal_components(pool: &[&Embeddings], variance: f64) -> Option<Points> {
    let dims = pool.first()?.dims();
    let mut data: Vec<f32> = pool.iter().flat_map(|embeddings| embeddings.data()).copied().collect();
    data.par_chunks_mut(dims).for_each(|row| {
        let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
    });
    let unit = Embeddings::new(data.len() / dims, dims, data, "unit").ok()?;
    let centre = mean(&unit);
    // Sixteen groups, a fixed number, so that the sums do not depend on the threads.
    let group: Vec<usize> = (0..unit.rows()).map(|row| row % 16).collect();
    let (values, vectors) = eigen(Moments::total(&Moments::groups(&unit, &group, &centre))?.covariance().as_ref())?;
    let total: f64 = values.iter().map(|value| value.max(0.0)).sum();
    // The rows have length 1, so this little variance is rounding.
    if total <= 1e-12 {
        return None;
    }
    let mut kept = 0;
    let mut held = 0.0;
    while kept < dims && held < variance * total {
        held += values[dims - 1 - kept].max(0.0);
        kept += 1;
    }
    let axes: Mat<f32> = Mat::from_fn(dims, kept, |i, j| vectors[(i, dims - 1 - j)] as f32);
    let centre: Vec<f32> = centre.iter().map(|&x| x as f32).collect();
    let mut projected = vec![0.0f32; unit.rows() * kept];
    projected.par_chunks_mut(BLOCK * kept).zip(unit.data().par_chunks(BLOCK * dims)).for_each(|(out, block)| {
        let rows = block.len() / dims;
        let centred: Vec<f32> = block.iter().enumerate().map(|(at, x)| x - centre[at % dims]).collect();
        let x = MatRef::from_row_major_slice(&centred, rows, dims);
        matmul(MatMut::from_row_major_slice_mut(out, rows, kept), Accum::Replace, x, axes.as_ref(), 1.0, Par::Seq);
    });
    Some(Points { dims: kept, data: projected })
}

/// A clustering.
#[derive(Clone, Debug)]
pub(super) struct Clusters {
    /// For each point its cluster.
    pub(super) labels: Vec<u32>,
    /// How many clusters; fewer than asked for where there are fewer different points.
    pub(super) k: usize,
    /// Σ of squared distances to the centres.
    pub(super) inertia: f64,
}

/// The best of several runs of Lloyd's k-means from k-means++ starts (Arthur and Vassilvitskii 2007).
pub(super) fn k_means(
    points: &Points,
    k: usize,
    restarts: usize,
    iterations: usize,
    seed: Seed,
    watch: &Watch<'_>,
) -> Result<Option<Clusters>> {
    let runs = (0..restarts)
        .into_par_iter()
        .map(|restart| lloyd(points, k, iterations, seed.nth(restart as u64), watch))
        .collect::<Result<Vec<Clusters>>>()?;
    // The first of equals, so that the choice does not depend on the threads.
    Ok(runs.into_iter().reduce(|best, next| if next.inertia < best.inertia { next } else { best }))
}

/// The squared distance, summed in lanes of their own, which the compiler may not make of one sum.
fn squared(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.zip(b) {
        for (lane, (x, y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += (x - y) * (x - y);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// k-means++: each further centre is a point drawn with a probability in proportion to its squared
/// distance to the nearest centre so far.
fn start(points: &Points, k: usize, seed: Seed) -> Points {
    let mut rng = seed.rng();
    let n = points.len();
    let mut centres = Points { dims: points.dims, data: points.row(rng.random_range(0..n)).to_vec() };
    let mut nearest = vec![f32::INFINITY; n];
    while centres.len() < k {
        let last = centres.row(centres.len() - 1);
        nearest.par_iter_mut().zip(points.data.par_chunks_exact(points.dims)).with_min_len(1024).for_each(
            |(nearest, point)| {
                *nearest = nearest.min(squared(point, last));
            },
        );
        let total: f64 = nearest.iter().map(|&x| f64::from(x)).sum();
        if total <= 0.0 {
            break;
        }
        let mut ticket = rng.random::<f64>() * total;
        let hit = nearest.iter().position(|&x| {
            ticket -= f64::from(x);
            ticket < 0.0 && x > 0.0
        });
        // Rounding can leave a little of the ticket at the end: the last point with a chance has it.
        let Some(i) = hit.or_else(|| nearest.iter().rposition(|&x| x > 0.0)) else { break };
        centres.data.extend_from_slice(points.row(i));
    }
    centres
}

/// Lloyd's iterations, exact, with two savings. Distances come in blocks from a matrix product. And a
/// point whose centre stayed where it was has to look only at the centres that moved: all others are
/// as far away as before, and were not nearer then.
fn lloyd(points: &Points, k: usize, iterations: usize, seed: Seed, watch: &Watch<'_>) -> Result<Clusters> {
    let (n, dims) = (points.len(), points.dims);
    let mut centres = start(points, k, seed);
    let k = centres.len();
    let mut nearest = vec![(0u32, f32::INFINITY); n];
    let mut moved = vec![true; k];
    let mut inertia = f64::INFINITY;
    for _ in 0..iterations.max(1) {
        watch.check()?;
        let before: Vec<u32> = nearest.iter().map(|&(label, _)| label).collect();
        assign(points, &centres, &moved, &mut nearest);
        let sum: f64 = nearest.iter().map(|&(_, distance)| f64::from(distance)).sum();
        let gained = inertia - sum;
        inertia = sum;
        if gained.is_finite() && gained <= TOLERANCE * sum {
            break;
        }
        let first = gained.is_infinite();
        moved.fill(first);
        for (&old, &(new, _)) in before.iter().zip(&nearest).filter(|(old, (new, _))| *old != new) {
            moved[old as usize] = true;
            moved[new as usize] = true;
        }
        // The sums are in order of the points, in f64, whatever the threads.
        let mut sums = vec![0.0f64; k * dims];
        let mut counts = vec![0u32; k];
        for (i, &(label, _)) in nearest.iter().enumerate().filter(|(_, (label, _))| moved[*label as usize]) {
            let label = label as usize;
            counts[label] += 1;
            sums[label * dims..][..dims].iter_mut().zip(points.row(i)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        for (c, moved) in moved.iter_mut().enumerate() {
            // A cluster that lost all its points keeps its centre.
            *moved &= counts[c] > 0;
            if *moved {
                let mean = sums[c * dims..][..dims].iter().map(|sum| (sum / f64::from(counts[c])) as f32);
                centres.data[c * dims..][..dims].iter_mut().zip(mean).for_each(|(x, mean)| *x = mean);
            }
        }
        if !moved.contains(&true) {
            break;
        }
    }
    Ok(Clusters { labels: nearest.into_iter().map(|(label, _)| label).collect(), k, inertia })
}

/// Gives each point its nearest centre and the squared distance to it.
fn assign(points: &Points, centres: &Points, moved: &[bool], nearest: &mut [(u32, f32)]) {
    let dims = points.dims;
    let all: Vec<u32> = (0..centres.len() as u32).collect();
    let active: Vec<u32> = all.iter().copied().filter(|&c| moved[c as usize]).collect();
    let gather = |ids: &[u32]| -> (Vec<f32>, Vec<f32>) {
        let data: Vec<f32> = ids.iter().flat_map(|&c| centres.row(c as usize)).copied().collect();
        let squares = data.chunks_exact(dims).map(|row| row.iter().map(|x| x * x).sum()).collect();
        (data, squares)
    };
    let (active_data, active_squares) = gather(&active);
    let (all_data, all_squares) = gather(&all);
    nearest.par_chunks_mut(BLOCK).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(rows, products), (block, nearest)| {
            let first = block * BLOCK;
            let (stale, fresh): (Vec<usize>, Vec<usize>) =
                (0..nearest.len()).partition(|&i| nearest[i].1.is_infinite() || moved[nearest[i].0 as usize]);
            for &i in &stale {
                nearest[i].1 = f32::INFINITY;
            }
            for (who, ids, data, squares) in
                [(stale, &all, &all_data, &all_squares), (fresh, &active, &active_data, &active_squares)]
            {
                if who.is_empty() || ids.is_empty() {
                    continue;
                }
                rows.clear();
                who.iter().for_each(|&i| rows.extend_from_slice(points.row(first + i)));
                products.clear();
                products.resize(who.len() * ids.len(), 0.0f32);
                matmul(
                    MatMut::from_column_major_slice_mut(products, ids.len(), who.len()),
                    Accum::Replace,
                    MatRef::from_row_major_slice(data, ids.len(), dims),
                    MatRef::from_column_major_slice(rows, dims, who.len()),
                    -2.0f32,
                    Par::Seq,
                );
                for ((&i, products), row) in
                    who.iter().zip(products.chunks_exact(ids.len())).zip(rows.chunks_exact(dims))
                {
                    let square: f32 = row.iter().map(|x| x * x).sum();
                    let (at, least) = minimum(products, squares);
                    let distance = (square + least).max(0.0);
                    if distance < nearest[i].1 {
                        nearest[i] = (ids[at], distance);
                    }
                }
            }
        },
    );
}

/// The least sum of two arrays and where it is first.
fn minimum(a: &[f32], b: &[f32]) -> (usize, f32) {
    const LANES: usize = 16;
    // Lanes of their own let the compiler use vector instructions for the minimum.
    let mut lanes = [f32::INFINITY; LANES];
    let (head_a, head_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (lane, (x, y)) in lanes.iter_mut().zip(head_a.remainder().iter().zip(head_b.remainder())) {
        *lane = x + y;
    }
    for (a, b) in head_a.zip(head_b) {
        for (lane, (x, y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            let sum = x + y;
            *lane = if sum < *lane { sum } else { *lane };
        }
    }
    let least = lanes.iter().copied().fold(f32::INFINITY, f32::min);
    (a.iter().zip(b).position(|(x, y)| x + y == least).unwrap_or(0), least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_distr::{Distribution, StandardNormal};
    use trueness_core::{Cancel, Silent};

    fn normal(n: usize, dims: usize, seed: u64) -> Vec<f32> {
        let mut rng = Seed::new(seed).rng();
        (0..n * dims).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    fn cluster(points: &Points, k: usize, restarts: usize, seed: u64) -> Clusters {
        let cancel = Cancel::default();
        k_means(points, k, restarts, 500, Seed::new(seed), &Watch::new(&cancel, &Silent)).unwrap().unwrap()
    }

    #[test]
    fn separate_groups_are_found() {
        let mut data = normal(300, 2, 1);
        // Three groups at corners of a triangle with sides of 50 standard deviations.
        data.chunks_exact_mut(2).enumerate().for_each(|(i, p)| {
            p[0] += [0.0, 50.0, 25.0][i % 3];
            p[1] += [0.0, 0.0, 43.0][i % 3];
        });
        let clusters = cluster(&Points { dims: 2, data }, 3, 5, 1);
        assert!(clusters.labels.chunks_exact(3).all(|labels| labels == &clusters.labels[..3]));
        assert_eq!(clusters.k, 3);
        // 300 points in two dimensions about their own means: a χ² with 594 degrees of freedom.
        assert!((clusters.inertia - 594.0).abs() < 5.0 * (2.0f64 * 594.0).sqrt());
    }

    #[test]
    fn the_result_is_a_fixed_point_of_lloyd() {
        let points = Points { dims: 5, data: normal(2000, 5, 2) };
        let clusters = cluster(&points, 20, 1, 3);
        let mut sums = vec![[0.0f64; 6]; clusters.k];
        for (row, &label) in points.data.chunks_exact(5).zip(&clusters.labels) {
            row.iter().enumerate().for_each(|(j, &x)| sums[label as usize][j] += f64::from(x));
            sums[label as usize][5] += 1.0;
        }
        let centre = |c: usize| -> Vec<f32> { (0..5).map(|j| (sums[c][j] / sums[c][5]) as f32).collect() };
        let centres: Vec<Vec<f32>> = (0..clusters.k).map(centre).collect();
        let mut astray = 0;
        let mut inertia = 0.0;
        for (row, &label) in points.data.chunks_exact(5).zip(&clusters.labels) {
            let own = squared(row, &centres[label as usize]);
            inertia += f64::from(own);
            astray += usize::from(centres.iter().any(|c| squared(row, c) < own - 1e-4));
        }
        // The tolerance ends the iterations a little early, so a few points may be astray.
        assert!(astray < 20, "{astray}");
        assert!((inertia / clusters.inertia - 1.0).abs() < 1e-4);
    }

    #[test]
    fn equal_points_make_fewer_clusters_and_no_variance_makes_none() {
        let points = Points { dims: 1, data: [1.0f32, 2.0, 2.0, 1.0].repeat(10) };
        let clusters = cluster(&points, 5, 2, 1);
        assert_eq!((clusters.k, clusters.inertia), (2, 0.0));
        let constant = Embeddings::new(4, 2, [3.0, 4.0].repeat(4), "x").unwrap();
        assert!(principal_components(&[&constant], 0.9).is_none());
    }

    #[test]
    fn principal_components_hold_the_share_asked_for() {
        // On the unit circle's two axes with a third, small direction: two components hold .9.
        let rows: Vec<f32> = (0..100)
            .flat_map(|i| {
                let a = i as f32 * 0.7;
                [a.cos(), a.sin(), 0.05 * (3.0 * a).cos()]
            })
            .collect();
        let unit = Embeddings::new(100, 3, rows, "x").unwrap();
        let points = principal_components(&[&unit], 0.9).unwrap();
        assert_eq!((points.dims, points.len()), (2, 100));
        assert_eq!(principal_components(&[&unit], 1.0).unwrap().dims, 3);
    }

    #[test]
    fn the_result_does_not_depend_on_threads() {
        let points = Points { dims: 8, data: normal(1500, 8, 5) };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let clusters = pool.install(|| cluster(&points, 30, 3, 7));
            (clusters.labels, clusters.inertia)
        };
        assert_eq!(run(1), run(3));
    }

    proptest! {
        #[test]
        fn the_minimum_is_the_first_least(a in prop::collection::vec(-4i8..4, 1..70)) {
            let (a, b): (Vec<f32>, Vec<f32>) = a.iter().map(|&x| (f32::from(x), 0.5 * f32::from(x))).unzip();
            let least = a.iter().zip(&b).map(|(x, y)| x + y).fold(f32::INFINITY, f32::min);
            let at = a.iter().zip(&b).position(|(x, y)| x + y == least).unwrap();
            prop_assert_eq!(minimum(&a, &b), (at, least));
        }
    }
}
