//! Platt scaling: logits made into probabilities on validation sentences.

use super::logistic::softplus;

/// Adds this many imaginary observations of the other label to each label, as Platt (1999) does, so
/// that the fit exists where validation separates the labels.
const PRIOR: f64 = 1.0;

/// A calibration: P(real) = σ(slope · logit + shift).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Platt {
    /// The factor of the logit.
    pub slope: f64,
    /// What is added.
    pub shift: f64,
}

impl Platt {
    /// Fits slope and shift on validation logits by Newton's method with a halved step where the loss
    /// would rise. Too few sentences leave the logits as they are.
    pub fn fit(real: &[f64], generated: &[f64]) -> Self {
        let identity = Self { slope: 1.0, shift: 0.0 };
        if real.len() < 2 || generated.len() < 2 {
            return identity;
        }
        let (nr, ng) = (real.len() as f64, generated.len() as f64);
        let high = (nr + PRIOR) / (nr + 2.0 * PRIOR);
        let low = PRIOR / (ng + 2.0 * PRIOR);
        let points = || real.iter().map(|&x| (x, high)).chain(generated.iter().map(|&x| (x, low)));
        let loss =
            |p: Self| points().map(|(x, t)| softplus(p.slope * x + p.shift) - t * (p.slope * x + p.shift)).sum::<f64>();
        let mut fit = identity;
        let mut current = loss(fit);
        for _ in 0..100 {
            let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
            for (x, t) in points() {
                let p = sigmoid(fit.slope * x + fit.shift);
                let (d, h) = (p - t, p * (1.0 - p));
                ga += d * x;
                gb += d;
                haa += h * x * x;
                hab += h * x;
                hbb += h;
            }
            let determinant = haa * hbb - hab * hab;
            if determinant <= 0.0 || (ga.abs() + gb.abs()) < 1e-10 * (nr + ng) {
                break;
            }
            let (da, db) = ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant);
            let mut step = 1.0;
            let next = loop {
                let next = Self { slope: fit.slope - step * da, shift: fit.shift - step * db };
                if loss(next) <= current || step < 1e-6 {
                    break next;
                }
                step /= 2.0;
            };
            let next_loss = loss(next);
            if current - next_loss < 1e-12 * current.abs() {
                break;
            }
            fit = next;
            current = next_loss;
        }
        // A classifier that learned nothing may have a slope below 0 by chance; turning its scores
        // round would use the validation labels to decide, which is allowed, but never helps a null.
        fit
    }

    /// The calibrated probability that a sentence with this logit is real.
    pub fn probability(&self, logit: f64) -> f64 {
        sigmoid(self.slope * logit + self.shift)
    }
}

/// 1 / (1 + e⁻ˣ) without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use trueness_core::Seed;

    #[test]
    fn a_known_distortion_is_undone() {
        // Labels are drawn with P(real) = σ(z); the classifier says 3z + 1.
        let mut rng = Seed::new(4).rng();
        let (mut real, mut generated) = (Vec::new(), Vec::new());
        for _ in 0..40_000 {
            let z = rng.random_range(-3.0..3.0);
            let said = 3.0 * z + 1.0;
            if rng.random::<f64>() < sigmoid(z) { real.push(said) } else { generated.push(said) }
        }
        let fit = Platt::fit(&real, &generated);
        assert!((fit.slope - 1.0 / 3.0).abs() < 0.01 && (fit.shift + 1.0 / 3.0).abs() < 0.03, "{fit:?}");
    }

    #[test]
    fn separated_labels_give_a_finite_fit() {
        let fit = Platt::fit(&[5.0, 6.0, 7.0], &[-5.0, -6.0, -4.0]);
        assert!(fit.slope.is_finite() && fit.probability(6.0) > 0.7 && fit.probability(-6.0) < 0.3, "{fit:?}");
    }
}
