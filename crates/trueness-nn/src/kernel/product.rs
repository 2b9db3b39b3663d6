//! Matrix products, behind a checked interface.
//!
//! Where [`tile`](super::tile) knows the instruction set, products are computed here: the right factor is
//! packed into panels as wide as a tile, a block of the inner dimension at a time, so that the panel that
//! is in use stays in the nearest cache. Weights that meet many left factors are packed once and kept
//! ([`Packed`]). Elsewhere the `gemm` crate computes.
//!
//! Each element of a product is summed in an order that depends on the inner size alone, hence not on the
//! number of threads.

use super::tile::{self, ROWS, Set, Tile};
use gemm::Parallelism;
use rayon::prelude::*;

/// Inner sizes are walked through in blocks of at most this length: a panel of it fills half of the nearest cache.
const DEPTH: usize = 128;
/// Rows that a panel meets before the next panel's turn: with a block's depth they stay in the second cache.
const HEIGHT: usize = 80 * ROWS;
/// Panels that one task packs at a time.
const PANELS: usize = 8;
/// Multiplications below which a product is not worth dividing.
const SMALL: usize = 1 << 18;
/// Rows of the left factor from which packing the right one pays.
const PACKED_FROM: usize = 48;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that follow each other.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// Rows that begin every `stride` elements; they may overlap.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * stride + cols <= data.len(), "a matrix leaves its slice");
        Self { data, rows, cols, row_stride: stride, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub(crate) fn transposed(self) -> Self {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }
}

/// Who computes a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// All threads of the current pool.
    Pool,
    /// The calling one: for products within a parallel loop.
    One,
}

/// What the sums of a product begin with.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Zero: what is in the result is overwritten.
    Zero,
    /// What is in the result.
    Result,
    /// One row, the same for all.
    Row(&'a [f32]),
}

/// Sixteen numbers that a cache line holds.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Room for numbers, on the boundary of a cache line.
fn lines(numbers: usize) -> Vec<Line> {
    vec![Line([0.0; 16]); numbers.div_ceil(16)]
}

/// A right factor in the order in which products walk through it.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    rows: usize,
    cols: usize,
    /// Blocks of rows; within a block panels of columns, each row of which is padded to whole vectors. Without
    /// a set, the matrix by rows.
    values: Vec<Line>,
}

impl Packed {
    pub(crate) fn new(b: Matrix<'_>, threads: Threads) -> Self {
        let (rows, cols) = (b.rows, b.cols);
        let Some(set) = tile::set() else {
            let mut values = lines(rows * cols);
            let by_row = (0..rows).flat_map(|r| (0..cols).map(move |c| b.data[r * b.row_stride + c * b.col_stride]));
            values.iter_mut().flat_map(|line| &mut line.0).zip(by_row).for_each(|(to, from)| *to = from);
            return Self { rows, cols, values };
        };
        let width = cols.next_multiple_of(set.lanes);
        let mut values = lines(rows * width);
        let to = Shared(values.as_mut_ptr().cast::<f32>());
        let panels = cols.div_ceil(set.cols);
        let jobs: Vec<(usize, usize)> = blocks(rows).flat_map(|k| (0..panels).map(move |p| (k, p))).collect();
        each(jobs.len(), threads, |job| {
            let (k, p) = jobs[job];
            let depth = block(rows, k);
            // SAFETY: panels lie one after the other, so that each job has a part of `values` to itself, and
            // their padded sizes add up to its length.
            unsafe { pack(set, b, (k, depth), p, to.at(k * width + p * set.cols * depth)) };
        });
        Self { rows, cols, values }
    }
}

/// A pointer that tasks share; each of them writes to places of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: whoever goes through the pointer promises that no two threads meet at one place.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(&self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

/// The starts of the blocks of an inner size.
fn blocks(depth: usize) -> impl Iterator<Item = usize> {
    (0..depth).step_by(longest(depth).max(1))
}

/// The length of the block that starts at `first`.
fn block(depth: usize, first: usize) -> usize {
    longest(depth).min(depth - first)
}

/// The length of all blocks but the last, which is about as long.
fn longest(depth: usize) -> usize {
    depth.div_ceil(depth.div_ceil(DEPTH).max(1))
}

/// Does `n` jobs.
fn each(n: usize, threads: Threads, job: impl Fn(usize) + Send + Sync) {
    match threads {
        Threads::Pool if n > 1 => (0..n).into_par_iter().with_max_len(1).for_each(job),
        _ => (0..n).for_each(job),
    }
}

/// Packs rows `first..first + depth` of panel `p`.
///
/// # Safety
/// `to` is writable for `depth` padded rows of the panel, and nobody else writes there.
unsafe fn pack(set: Set, b: Matrix<'_>, (first, depth): (usize, usize), p: usize, to: *mut f32) {
    let cols = set.cols.min(b.cols - p * set.cols);
    let width = cols.next_multiple_of(set.lanes);
    let from = &b.data[first * b.row_stride + p * set.cols * b.col_stride..];
    // SAFETY: the caller's promise, since all places lie within `depth` rows of `width` elements.
    unsafe {
        if cols < width {
            to.write_bytes(0, depth * width);
        }
        if b.col_stride == 1 {
            for r in 0..depth {
                let row = &from[r * b.row_stride..][..cols];
                to.add(r * width).copy_from_nonoverlapping(row.as_ptr(), cols);
            }
        } else {
            // Some columns at a time, so that the lines they lie in stay in the nearest cache.
            const SIDE: usize = 16;
            for c in (0..cols).step_by(SIDE) {
                let cols = SIDE.min(cols - c);
                let last = (depth - 1) * b.row_stride + (c + cols - 1) * b.col_stride;
                assert!(last < from.len(), "a matrix leaves its slice");
                let from = from.as_ptr().add(c * b.col_stride);
                let to = to.add(c);
                for r in 0..depth {
                    if cols == SIDE {
                        let row: [f32; SIDE] = std::array::from_fn(|i| *from.add(r * b.row_stride + i * b.col_stride));
                        to.add(r * width).cast::<[f32; SIDE]>().write(row);
                    } else {
                        for i in 0..cols {
                            *to.add(r * width + i) = *from.add(r * b.row_stride + i * b.col_stride);
                        }
                    }
                }
            }
        }
    }
}

/// A left factor as tiles read it: as it lies where its rows are contiguous, else in panels of [`ROWS`] rows.
struct Left<'a> {
    a: Matrix<'a>,
    /// Room for the panels, block by block of the inner size, of which only pointers are made.
    panels: Vec<Line>,
}

impl<'a> Left<'a> {
    fn new(a: Matrix<'a>, threads: Threads) -> Self {
        if a.col_stride == 1 {
            return Self { a, panels: Vec::new() };
        }
        let mut panels: Vec<Line> = Vec::with_capacity((a.rows * a.cols).div_ceil(16));
        let to = Shared(panels.as_mut_ptr().cast::<f32>());
        // Rows of the transpose are walked along, some panels wide, so that no line is fetched twice.
        const WIDE: usize = 32 * ROWS;
        each(a.rows.div_ceil(WIDE), threads, |job| {
            let rows = job * WIDE..a.rows.min((job + 1) * WIDE);
            for (k, first, depth) in blocks(a.cols).flat_map(|k0| {
                let depth = block(a.cols, k0);
                (k0..k0 + depth).map(move |k| (k, k0, depth))
            }) {
                let within = k - first;
                let from = &a.data[k * a.col_stride..];
                // SAFETY: panels lie one after the other and add up to the size of the matrix, for which there is
                // room; a job's panels are its own.
                unsafe {
                    if a.row_stride == 1 && rows.len() == WIDE {
                        for (i, six) in from[rows.start..rows.end].as_chunks::<ROWS>().0.iter().enumerate() {
                            let to = to.at(first * a.rows + (rows.start + i * ROWS) * depth + within * ROWS);
                            to.cast::<[f32; ROWS]>().write(*six);
                        }
                        continue;
                    }
                    for r in rows.clone() {
                        let panel = r / ROWS * ROWS;
                        let n = ROWS.min(a.rows - panel);
                        let to = to.at(first * a.rows + panel * depth + within * n + r - panel);
                        to.write(from[r * a.row_stride]);
                    }
                }
            }
        });
        Self { a, panels }
    }

    /// Where the rows from `r` on are in the block from column `k` on, and how far rows and columns lie apart.
    /// `r` is a multiple of [`ROWS`].
    fn at(&self, r: usize, k: usize) -> (*const f32, usize, usize) {
        if self.a.col_stride == 1 {
            return (self.a.data.as_ptr().wrapping_add(r * self.a.row_stride + k), self.a.row_stride, 1);
        }
        let n = ROWS.min(self.a.rows - r);
        let at = k * self.a.rows + r * block(self.a.cols, k);
        (self.panels.as_ptr().cast::<f32>().wrapping_add(at), 1, n)
    }
}

/// A right factor as it is given.
#[derive(Clone, Copy)]
enum Right<'a> {
    Plain(Matrix<'a>),
    Packed(&'a Packed),
}

/// out ← a·b, or out + a·b with `add`. The rows of `out` begin every `stride` elements.
pub(crate) fn product(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], stride: usize, add: bool, threads: Threads) {
    let start = if add { Start::Result } else { Start::Zero };
    multiply(start, a, Right::Plain(b), out, stride, threads);
}

/// start + a·b in memory of its own, which is not written to before. The start is not the result.
pub(crate) fn product_new(start: Start<'_>, a: Matrix<'_>, b: Matrix<'_>, threads: Threads) -> Vec<f32> {
    assert!(!matches!(start, Start::Result), "there is no result to begin with");
    let size = a.rows * b.cols;
    let mut out = Vec::with_capacity(size);
    // SAFETY: there is room for every element of the result, and each is written before it is read.
    unsafe {
        compute(start, a, Right::Plain(b), (out.as_mut_ptr(), size), b.cols, threads);
        out.set_len(size);
    }
    out
}

/// out ← start + a·b for a packed factor. The rows of `out` begin every `stride` elements.
pub(crate) fn product_packed(
    start: Start<'_>,
    a: Matrix<'_>,
    b: &Packed,
    out: &mut [f32],
    stride: usize,
    threads: Threads,
) {
    multiply(start, a, Right::Packed(b), out, stride, threads);
}

fn multiply(start: Start<'_>, a: Matrix<'_>, b: Right<'_>, out: &mut [f32], stride: usize, threads: Threads) {
    // SAFETY: the slice is readable and writable as far as its length goes, and borrowed mutably.
    unsafe { compute(start, a, b, (out.as_mut_ptr(), out.len()), stride, threads) };
}

/// # Safety
/// `out` points to as many elements as its second part says, which nobody else reads or writes. They are
/// initialised if they are the start.
unsafe fn compute(
    start: Start<'_>,
    a: Matrix<'_>,
    b: Right<'_>,
    (out, len): (*mut f32, usize),
    stride: usize,
    threads: Threads,
) {
    let (inner, n) = match b {
        Right::Plain(b) => (b.rows, b.cols),
        Right::Packed(b) => (b.rows, b.cols),
    };
    let (m, k) = (a.rows, a.cols);
    assert_eq!(k, inner, "the inner sizes of a product differ");
    if m == 0 || n == 0 {
        return;
    }
    assert!(stride >= n && (m - 1) * stride + n <= len, "a product leaves its slice");
    if let Start::Row(row) = start {
        assert!(row.len() >= n, "the first row of sums is too short");
    }
    let Some(set) = tile::set().filter(|_| k > 0) else {
        if let Start::Row(row) = start {
            for r in 0..m {
                // SAFETY: the assertions above hold both within their slices.
                unsafe { out.add(r * stride).copy_from_nonoverlapping(row.as_ptr(), n) };
            }
        }
        // SAFETY: the assertions above; the result is read only where it is initialised.
        return unsafe { elsewhere(a, b, out, stride, !matches!(start, Start::Zero), threads) };
    };
    let threads = if m * n * k < SMALL { Threads::One } else { threads };
    let tasks = match threads {
        Threads::Pool => 4 * rayon::current_num_threads(),
        Threads::One => 1,
    };
    let panels = n.div_ceil(set.cols);
    let panels_each = panels.div_ceil(tasks).clamp(1, PANELS);
    let groups = panels.div_ceil(panels_each);
    let rows_each = m.div_ceil((tasks / groups).max(1)).next_multiple_of(ROWS).max(8 * ROWS);
    let left = Left::new(a, threads);
    let job = Job { set, start, left: &left, b, n, out: Shared(out), stride };
    each(groups * m.div_ceil(rows_each), threads, |i| {
        let (g, r) = (i % groups, i / groups);
        let rows = (r * rows_each, m.min((r + 1) * rows_each));
        // SAFETY: the constructors of the factors and the assertions above hold all elements within their slices;
        // nobody else uses `out`, so that it overlaps neither factor, and its rows do not overlap each
        // other; the jobs' rows and panels are their own.
        unsafe { job.run(rows, (g * panels_each, panels.min((g + 1) * panels_each))) };
    });
}

/// A product that is divided between tasks.
struct Job<'a> {
    set: Set,
    start: Start<'a>,
    left: &'a Left<'a>,
    b: Right<'a>,
    n: usize,
    out: Shared,
    stride: usize,
}

impl Job<'_> {
    /// Some rows of some panels.
    ///
    /// # Safety
    /// All elements lie within their slices, and no other thread writes to this part of the result.
    unsafe fn run(&self, rows: (usize, usize), panels: (usize, usize)) {
        let Self { set, n, stride, .. } = *self;
        let depth = self.left.a.cols;
        let width = |p: usize| set.cols.min(n - p * set.cols);
        let direct = |p: usize| match self.b {
            Right::Plain(b) => b.col_stride == 1 && rows.1 - rows.0 < PACKED_FROM && width(p) % set.lanes == 0,
            Right::Packed(_) => false,
        };
        let needs_room = matches!(self.b, Right::Plain(_)) && (panels.0..panels.1).any(|p| !direct(p));
        let room = if needs_room { (panels.1 - panels.0) * set.cols * DEPTH.min(depth) } else { 0 };
        let mut room: Vec<Line> = Vec::with_capacity(room.div_ceil(16));
        let room = room.as_mut_ptr().cast::<f32>();
        for k in blocks(depth) {
            let kb = block(depth, k);
            let place = |p: usize| room.wrapping_add((p - panels.0) * set.cols * kb);
            if let Right::Plain(b) = self.b {
                for p in (panels.0..panels.1).filter(|&p| !direct(p)) {
                    // SAFETY: there is room for the padded panels of one block, which is this task's own.
                    unsafe { pack(set, b, (k, kb), p, place(p)) };
                }
            }
            for first in (rows.0..rows.1).step_by(HEIGHT) {
                for p in panels.0..panels.1 {
                    let (from, b_row) = match self.b {
                        Right::Plain(b) if direct(p) => {
                            (b.data.as_ptr().wrapping_add(k * b.row_stride + p * set.cols), b.row_stride)
                        }
                        Right::Plain(_) => (place(p).cast_const(), width(p).next_multiple_of(set.lanes)),
                        Right::Packed(b) => {
                            let at = k * n.next_multiple_of(set.lanes) + p * set.cols * kb;
                            let values = b.values.as_ptr().cast::<f32>();
                            (values.wrapping_add(at), width(p).next_multiple_of(set.lanes))
                        }
                    };
                    for r in (first..rows.1.min(first + HEIGHT)).step_by(ROWS) {
                        let (a, a_row, a_col) = self.left.at(r, k);
                        let out = self.out.at(r * stride + p * set.cols);
                        let (start, start_row) = match self.start {
                            Start::Zero if k == 0 => (std::ptr::null(), 0),
                            Start::Row(row) if k == 0 => (row.as_ptr().wrapping_add(p * set.cols), 0),
                            _ => (out.cast_const(), stride),
                        };
                        let t = Tile {
                            rows: ROWS.min(rows.1 - r),
                            cols: width(p),
                            depth: kb,
                            a,
                            a_row,
                            a_col,
                            b: from,
                            b_row,
                            start,
                            start_row,
                            out,
                            out_row: stride,
                        };
                        // SAFETY: the caller's promise, and panels as they were packed.
                        unsafe { (set.tile)(t) };
                    }
                }
            }
        }
    }
}

/// The product where there is no set for the machine.
///
/// # Safety
/// All elements lie within their slices, nobody else uses the result, and with `add` it is initialised.
unsafe fn elsewhere(a: Matrix<'_>, b: Right<'_>, out: *mut f32, stride: usize, add: bool, threads: Threads) {
    let parallelism = match threads {
        Threads::Pool => Parallelism::Rayon(0),
        Threads::One => Parallelism::None,
    };
    let signed = |stride: usize| stride as isize;
    let (n, values, row_stride, col_stride) = match b {
        Right::Plain(b) => (b.cols, b.data.as_ptr(), b.row_stride, b.col_stride),
        Right::Packed(b) => (b.cols, b.values.as_ptr().cast::<f32>(), b.cols, 1),
    };
    // SAFETY: the caller's promise. Without `add` the result is not read.
    unsafe {
        gemm::gemm(
            a.rows,
            n,
            a.cols,
            out,
            1,
            signed(stride),
            add,
            a.data.as_ptr(),
            signed(a.col_stride),
            signed(a.row_stride),
            values,
            signed(col_stride),
            signed(row_stride),
            f32::from(u8::from(add)),
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;
    use proptest::prelude::*;
    use trueness_core::Seed;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn products_equal_the_sum_of_products(
            (m, n, k) in (1usize..40, 1usize..40, 0usize..40),
            (more, flip, add) in (0usize..5, any::<[bool; 2]>(), any::<bool>()),
        ) {
            let draw = |n, name| Init::Uniform { low: -1.0, high: 1.0 }.values(n, Seed::new(7).child(name));
            let (a, b) = (draw(m * k, "a"), draw(k * n, "b"));
            let start = draw(m * (n + more), "out");
            let mut out = start.clone();
            let x = if flip[0] { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
            let y = if flip[1] { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
            product(x, y, &mut out, n + more, add, Threads::One);
            for i in 0..m {
                for j in 0..n + more {
                    let at = i * (n + more) + j;
                    let a_at = |l: usize| f64::from(if flip[0] { a[l * m + i] } else { a[i * k + l] });
                    let b_at = |l: usize| f64::from(if flip[1] { b[j * k + l] } else { b[l * n + j] });
                    let truth = match j < n {
                        true => (0..k).map(|l| a_at(l) * b_at(l)).sum::<f64>()
                            + if add { f64::from(start[at]) } else { 0.0 },
                        false => f64::from(start[at]),
                    };
                    prop_assert!((f64::from(out[at]) - truth).abs() < 1e-5, "{} {}", out[at], truth);
                }
            }
        }
    }

    /// Whole numbers are added without rounding, so that every order of summation gives the same.
    #[test]
    fn whole_numbers_are_multiplied_exactly_whatever_the_sizes_and_threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let sizes =
            [(1, 1, 1), (3, 5, 300), (7, 65, 129), (64, 200, 256), (100, 130, 131), (301, 17, 140), (2, 520, 64)];
        for (case, (m, n, k)) in sizes.into_iter().enumerate() {
            let mut x = case as i32;
            let mut draw = |n: usize| -> Vec<f32> {
                (0..n)
                    .map(|_| {
                        x = (x * 1_103 + 12_345) % 65_536;
                        (x % 9 - 4) as f32
                    })
                    .collect()
            };
            let (a, b, row, before) = (draw(m * k), draw(k * n), draw(n), draw(m * (n + 3)));
            let transpose = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
                (0..cols).flat_map(|c| (0..rows).map(move |r| x[r * cols + c])).collect()
            };
            let (a_t, b_t) = (transpose(&a, m, k), transpose(&b, k, n));
            let sum = |i: usize, j: usize| (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum::<f32>();
            let truth: Vec<f32> = (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| sum(i, j)).collect();
            let plus_row: Vec<f32> = truth.iter().enumerate().map(|(at, x)| x + row[at % n]).collect();
            let lefts = [Matrix::new(&a, m, k), Matrix::new(&a_t, k, m).transposed()];
            let rights = [Matrix::new(&b, k, n), Matrix::new(&b_t, n, k).transposed()];
            for (x, y) in lefts.into_iter().flat_map(|x| rights.map(|y| (x, y))) {
                for threads in [Threads::One, Threads::Pool] {
                    pool.install(|| {
                        assert_eq!(product_new(Start::Zero, x, y, threads), truth, "{m} {n} {k}");
                        assert_eq!(product_new(Start::Row(&row), x, y, threads), plus_row, "{m} {n} {k}");
                        let packed = Packed::new(y, threads);
                        for add in [false, true] {
                            let (mut plain, mut kept) = (before.clone(), before.clone());
                            product(x, y, &mut plain, n + 3, add, threads);
                            let start = if add { Start::Result } else { Start::Zero };
                            product_packed(start, x, &packed, &mut kept, n + 3, threads);
                            assert_eq!(plain, kept);
                            for (at, (&found, &old)) in plain.iter().zip(&before).enumerate() {
                                let (i, j) = (at / (n + 3), at % (n + 3));
                                let wanted = if j < n { truth[i * n + j] + if add { old } else { 0.0 } } else { old };
                                assert_eq!(found, wanted, "{m} {n} {k}: {i} {j}");
                            }
                        }
                    });
                }
            }
        }
    }
}
