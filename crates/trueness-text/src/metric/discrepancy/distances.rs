//! The distances of one set of scores, as plain numbers.

/// The bins of the calibration error.
pub const BINS: usize = 15;

/// All distances of one classifier's scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distances {
    /// ½(mean_r s − mean_g s).
    pub dd: f64,
    /// mean_r D − mean_g D.
    pub relative: f64,
    /// mean_r D·s − mean_g D·s.
    pub absolute: f64,
    /// The mean of |2D − 1| over the balanced mixture.
    pub tv: f64,
    /// The area under the ROC curve.
    pub auc: f64,
    /// The expected calibration error.
    pub ece: f64,
}

/// The sign of the decision: +1 for real, −1 for generated; exactly ½ counts as generated.
pub(super) fn sign(p: f64) -> f64 {
    if p > 0.5 { 1.0 } else { -1.0 }
}

/// The scores of both sides in ascending order, so that resamples need no sorting.
#[derive(Clone, Debug)]
pub(super) struct Sorted {
    /// Score, whether it is a real sentence's, and the number of the sentence on its side.
    entries: Vec<(f64, bool, u32)>,
}

impl Sorted {
    pub(super) fn new(real: &[f64], generated: &[f64]) -> Self {
        let side =
            |values: &[f64], is_real| values.iter().zip(0..).map(move |(&p, i)| (p, is_real, i)).collect::<Vec<_>>();
        let mut entries = side(real, true);
        entries.extend(side(generated, false));
        entries.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { entries }
    }

    /// The distances where real sentence i counts `real[i]` times and generated sentence j counts
    /// `generated[j]` times.
    pub(super) fn distances(&self, real: &[u32], generated: &[u32]) -> Distances {
        let total = |counts: &[u32]| counts.iter().map(|&c| f64::from(c)).sum::<f64>();
        let (nr, ng) = (total(real), total(generated));
        let mut sums = [Distances::default(); 2];
        let (mut below, mut wins) = (0.0, 0.0);
        let mut bins = [0.0; BINS];
        let mut seen = 0.0;
        for tie in self.entries.chunk_by(|a, b| a.0 == b.0) {
            let (mut reals, mut fakes) = (0.0, 0.0);
            // Equal scores stay in one bin, whatever their order.
            let bin = ((seen * BINS as f64 / (nr + ng)) as usize).min(BINS - 1);
            for &(p, is_real, i) in tie {
                let count = f64::from(if is_real { real[i as usize] } else { generated[i as usize] });
                let side = &mut sums[usize::from(is_real)];
                side.dd += count * sign(p);
                side.relative += count * p;
                side.absolute += count * p * sign(p);
                side.tv += count * (2.0 * p - 1.0).abs();
                *(if is_real { &mut reals } else { &mut fakes }) += count;
                bins[bin] += if is_real { (p - 1.0) * count / nr } else { p * count / ng };
                seen += count;
            }
            wins += reals * (below + fakes / 2.0);
            below += fakes;
        }
        let [g, r] = sums;
        Distances {
            dd: (r.dd / nr - g.dd / ng) / 2.0,
            relative: r.relative / nr - g.relative / ng,
            absolute: r.absolute / nr - g.absolute / ng,
            tv: (r.tv / nr + g.tv / ng) / 2.0,
            auc: wins / (nr * ng),
            ece: bins.iter().map(|gap| gap.abs() / 2.0).sum(),
        }
    }
}

impl Distances {
    /// The distances of P(real) on real and on generated sentences; neither may be empty.
    ///
    /// The AUC is the Mann–Whitney statistic over the number of pairs. The calibration error is the
    /// sum over bins, each holding equally many sentences where no scores are equal, of
    /// |mean D − share of real|, each label weighing one half (Naeini et al. 2015).
    pub fn of(real: &[f64], generated: &[f64]) -> Self {
        Sorted::new(real, generated).distances(&vec![1; real.len()], &vec![1; generated.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scores of the optimal classifier on every sentence of two distributions given by counts.
    fn optimal(real: &[usize], generated: &[usize]) -> (Vec<f64>, Vec<f64>) {
        let d = |i: usize| real[i] as f64 / (real[i] + generated[i]) as f64;
        let spread =
            |counts: &[usize]| (0..counts.len()).flat_map(|i| std::iter::repeat_n(d(i), counts[i])).collect::<Vec<_>>();
        (spread(real), spread(generated))
    }

    #[test]
    fn the_optimal_classifier_gives_the_closed_forms() {
        // Two distributions over four sentences, in tenths.
        let (p, q) = ([4, 3, 2, 1], [1, 2, 3, 4]);
        let (real, generated) = optimal(&p, &q);
        let found = Distances::of(&real, &generated);
        let terms =
            |f: fn(f64, f64) -> f64| p.iter().zip(&q).map(|(&a, &b)| f(a as f64 / 10.0, b as f64 / 10.0)).sum::<f64>();
        assert!((found.dd - terms(|a, b| (a - b).abs() / 2.0)).abs() < 1e-12);
        assert!((found.relative - terms(|a, b| (a - b).powi(2) / (a + b) / 2.0)).abs() < 1e-9);
        assert!((found.absolute - terms(|a, b| (a - b).abs() * a / (a + b))).abs() < 1e-12);
        assert!((found.tv - found.dd).abs() < 1e-12);
    }

    #[test]
    fn scores_off_by_a_fifth_have_that_calibration_error() {
        // Among sentences scored .9 only .7 are real, and among those scored .1 already .3.
        let side = |high: usize, low: usize| [vec![0.9; high], vec![0.1; low]].concat();
        let found = Distances::of(&side(700, 300), &side(300, 700));
        assert!((found.ece - 0.2).abs() < 0.01, "{}", found.ece);
    }

    #[test]
    fn a_constant_classifier_tells_nothing() {
        let found = Distances::of(&[0.5; 7], &[0.5; 9]);
        assert_eq!((found.dd, found.relative, found.tv, found.auc), (0.0, 0.0, 0.0, 0.5));
        assert!(found.ece < 1e-12);
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_pairs_won(
            real in prop::collection::vec(0u8..6, 1..20),
            generated in prop::collection::vec(0u8..6, 1..20),
        ) {
            let (real, generated): (Vec<f64>, Vec<f64>) =
                (real.iter().map(|&x| f64::from(x)).collect(), generated.iter().map(|&x| f64::from(x)).collect());
            let mut wins = 0.0;
            for a in &real {
                for b in &generated {
                    wins += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
                }
            }
            let brute = wins / (real.len() * generated.len()) as f64;
            prop_assert!((Distances::of(&real, &generated).auc - brute).abs() < 1e-12);
        }

        #[test]
        fn distances_stay_in_their_ranges(
            real in prop::collection::vec(0.0f64..=1.0, 1..40),
            generated in prop::collection::vec(0.0f64..=1.0, 1..40),
        ) {
            let d = Distances::of(&real, &generated);
            prop_assert!((-1.0..=1.0).contains(&d.dd) && (0.0..=1.0).contains(&d.tv) && (0.0..=1.0).contains(&d.auc));
            prop_assert!((0.0..=1.0 + 1e-9).contains(&d.ece));
        }
    }
}
