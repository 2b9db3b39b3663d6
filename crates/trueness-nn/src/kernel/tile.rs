//! The innermost loops of matrix products, for the instruction sets of x86.
//!
//! A tile of the result stays in registers while the inner dimension is walked through once. Its size
//! is what the registers hold: a tile loads fewer vectors than it multiplies, which is what keeps the
//! multipliers busy.

#[cfg(target_arch = "x86_64")]
use super::simd::{has_avx2, has_avx512};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The most rows of a tile.
pub(super) const ROWS: usize = 6;

/// Everything that a tile needs. Element (i, k) of the left factor is `a + i·a_row + k·a_col`; rows of the
/// right one are as long as the tile is wide, rounded up to whole vectors, and begin every `b_row`
/// elements.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Rows and columns of the result, which are at least 1 and at most [`ROWS`] and the set's columns.
    pub rows: usize,
    pub cols: usize,
    /// The inner size.
    pub depth: usize,
    pub a: *const f32,
    pub a_row: usize,
    pub a_col: usize,
    pub b: *const f32,
    pub b_row: usize,
    /// What the sums begin with, and how far its rows lie apart: null for 0.
    pub start: *const f32,
    pub start_row: usize,
    pub out: *mut f32,
    pub out_row: usize,
}

/// An instruction set's way to compute tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    /// The most columns of a tile, and how many make a vector.
    pub cols: usize,
    pub lanes: usize,
    /// # Safety
    /// Every element that a [`Tile`] tells of has to be readable, and those of the result writable, by
    /// this thread alone.
    pub tile: unsafe fn(Tile),
}

/// The best set of this machine; none where the `gemm` crate does better.
pub(super) fn set() -> Option<Set> {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() {
            return Some(Set { cols: 64, lanes: 16, tile: avx512 });
        }
        if has_avx2() {
            return Some(Set { cols: 16, lanes: 8, tile: avx2 });
        }
    }
    None
}

/// A vector register. Whoever calls its functions promises that the machine has the instruction set, and that the
/// lanes that are read or written lie within memory that may be.
#[cfg(target_arch = "x86_64")]
trait Vector: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn splat(from: *const f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn store_some(self, to: *mut f32, lanes: usize);
    unsafe fn plus(self, b: Self) -> Self;
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m512 {
    const LANES: usize = 16;
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_set1_ps(*from) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_maskz_loadu_ps(((1u32 << lanes) - 1) as u16, from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mask_storeu_ps(to, ((1u32 << lanes) - 1) as u16, self) }
    }
    #[inline(always)]
    unsafe fn plus(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_add_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_fmadd_ps(self, b, c) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m256 {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_set1_ps(*from) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_some(from: *const f32, lanes: usize) -> Self {
        let mut all = [0.0; 8];
        // SAFETY: the caller's promise.
        unsafe {
            std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), lanes);
            _mm256_loadu_ps(all.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_ps(to, self) }
    }
    #[inline(always)]
    unsafe fn store_some(self, to: *mut f32, lanes: usize) {
        let mut all = [0.0; 8];
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_ps(all.as_mut_ptr(), self);
            std::ptr::copy_nonoverlapping(all.as_ptr(), to, lanes);
        }
    }
    #[inline(always)]
    unsafe fn plus(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_ps(self, b) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_fmadd_ps(self, b, c) }
    }
}

/// A tile of R rows and V vectors.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "rows and vectors index several arrays and pointers at once")]
unsafe fn tile<T: Vector, const R: usize, const V: usize>(t: Tile) {
    let last = t.cols - (V - 1) * T::LANES;
    // SAFETY: the caller's promise holds all of these within the factors and the result; the last vector
    // of a row is read and written only as far as the row goes, except in `b`, whose rows are padded.
    unsafe {
        let mut sums = [[T::zero(); V]; R];
        // The result's lines are fetched while the sums are made.
        for r in 0..R {
            for v in 0..V {
                _mm_prefetch::<_MM_HINT_T0>(t.out.add(r * t.out_row).wrapping_add(v * T::LANES).cast());
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.depth {
            let mut row = [T::zero(); V];
            for v in 0..V {
                row[v] = T::load(b.add(v * T::LANES));
            }
            for r in 0..R {
                let x = T::splat(a.add(r * t.a_row));
                for v in 0..V {
                    sums[r][v] = x.multiply_add(row[v], sums[r][v]);
                }
            }
            a = a.wrapping_add(t.a_col);
            b = b.wrapping_add(t.b_row);
        }
        for r in 0..R {
            let out = t.out.add(r * t.out_row);
            for v in 0..V {
                let (at, whole) = (v * T::LANES, v + 1 < V || last == T::LANES);
                let mut sum = sums[r][v];
                if !t.start.is_null() {
                    let start = t.start.add(r * t.start_row + at);
                    let start = if whole { T::load(start) } else { T::load_some(start, last) };
                    sum = sum.plus(start);
                }
                if whole { sum.store(out.add(at)) } else { sum.store_some(out.add(at), last) }
            }
        }
    }
}

/// Defines a function that calls the tile of the right size, each compiled for an instruction set by itself.
#[cfg(target_arch = "x86_64")]
macro_rules! sizes {
    ($name:ident, $features:literal, $vector:ty, $($rows:literal)*, $vectors:tt) => {
        unsafe fn $name(t: Tile) {
            #[target_feature(enable = $features)]
            unsafe fn sized<const R: usize, const V: usize>(t: Tile) {
                // SAFETY: the caller's promise.
                unsafe { tile::<$vector, R, V>(t) }
            }
            let vectors = t.cols.div_ceil(<$vector as Vector>::LANES);
            // SAFETY: the set was chosen because the machine has its features; the rest is the caller's promise.
            unsafe {
                $(sizes!(@row t, vectors, $rows, $vectors);)*
            }
            unreachable!("a tile is larger than the registers");
        }
    };
    (@row $t:ident, $n:ident, $rows:literal, [$($vectors:literal)*]) => {
        $(if $t.rows == $rows && $n == $vectors { return sized::<$rows, $vectors>($t); })*
    };
}
#[cfg(target_arch = "x86_64")]
sizes!(avx512, "avx512f,avx2,fma", __m512, 6 5 4 3 2 1, [4 3 2 1]);
#[cfg(target_arch = "x86_64")]
sizes!(avx2, "avx2,fma", __m256, 6 5 4 3 2 1, [2 1]);
