//! Distributional discrepancy: how well real and generated text can be told apart.
//!
//! With D(x) = P(real | x), all distances are functions of D on real and on generated sentences:
//!
//! | name | formula | with the optimal D |
//! |---|---|---|
//! | `dd` | ½(mean_r s − mean_g s), s = +1 where D > ½, else −1; that is 2·accuracy − 1 | total variation |
//! | `d-relative` | mean_r D − mean_g D | ½Σ(p−q)²/(p+q) |
//! | `d-absolute` | mean_r D·s − mean_g D·s | Σ|p−q|·D |
//! | `tv` | mean of |2D − 1| over the balanced mixture | total variation |
//! | `auc` | P(D(real) > D(generated)), ties count half | |
//! | `ece` | calibration error of D over 15 bins of equal size | 0 |
//!
//! DD is that of Cai et al., "Distributional discrepancy: a metric for unconditional text
//! generation" (2020); the relative and absolute distances are those of "Detecting the discrepancy…"
//! (2019). A classifier's DD is, in expectation, a lower bound of the total variation, whatever the
//! classifier; `tv` is a plug-in value that is only as good as the calibration beside it.

mod density;
mod distances;
mod measure;

pub use density::{Exact, from_densities, from_probabilities, jeffreys};
pub use distances::{BINS, Distances};
pub use measure::{Decisions, Difference, Discrepancy, Scores, difference};
