//! Smoothing and differentiating by polynomials that are fitted to a moving window: Savitzky & Golay (1964).

use crate::{Error, Result};

/// The highest order of a polynomial.
const HIGHEST: usize = 8;

/// Which samples a smoothed value is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Those before and after it. At the ends of a record the last whole window serves, as SciPy's `interp` does.
    #[default]
    Centred,
    /// Those before it and itself: what could have been known at the time.
    Causal,
}

/// A polynomial of a window of samples, evaluated at one of them. Order 0 is the moving average.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalPolynomial {
    window: usize,
    order: usize,
    side: Side,
}

impl LocalPolynomial {
    /// A polynomial of an order over a window of samples.
    ///
    /// # Errors
    /// [`Error::Input`] for an order past 8 or not below the window's length, or an even window that should be centred.
    pub fn new(window: usize, order: usize, side: Side) -> Result<Self> {
        if order > HIGHEST || order >= window {
            return Err(Error::Input(format!(
                "order: expected less than the window's {window} samples and at most {HIGHEST}, got {order}"
            )));
        }
        if side == Side::Centred && window.is_multiple_of(2) {
            return Err(Error::Input(format!("window: expected an odd number of samples to be centred, got {window}")));
        }
        Ok(Self { window, order, side })
    }

    /// The smoothed samples. A sample is NaN where its window holds no more samples than the polynomial's order.
    ///
    /// # Errors
    /// [`Error::Input`] where the record is shorter than the window.
    pub fn smooth(&self, values: &[f64]) -> Result<Vec<f64>> {
        self.apply(values, false)
    }

    /// The slope at each sample, for samples `spacing` apart: in units of the values by unit of the spacing.
    ///
    /// # Errors
    /// [`Error::Input`] where the record is shorter than the window, the order is 0 or the spacing is not above 0.
    pub fn slope(&self, values: &[f64], spacing: f64) -> Result<Vec<f64>> {
        if self.order == 0 {
            return Err(Error::Input("order: expected 1 or more for a slope, got 0".to_owned()));
        }
        crate::analytic::positive("spacing", "a time", spacing)?;
        let mut slopes = self.apply(values, true)?;
        slopes.iter_mut().for_each(|slope| *slope /= spacing);
        Ok(slopes)
    }

    fn apply(&self, values: &[f64], slope: bool) -> Result<Vec<f64>> {
        let n = self.window;
        if values.len() < n {
            return Err(Error::Input(format!(
                "record: expected at least the window's {n} samples, got {}",
                values.len()
            )));
        }
        let places: Vec<usize> = (0..n).collect();
        // The weights by the place in the window, made when they are first needed.
        let mut whole: Vec<Vec<f64>> = vec![Vec::new(); n];
        let last = values.len() - n;
        let at = |i: usize| {
            let first = match self.side {
                Side::Centred => i.saturating_sub(n / 2).min(last),
                Side::Causal => (i + 1).saturating_sub(n),
            };
            // A causal window is not whole at the begin.
            let end = if self.side == Side::Causal { i + 1 } else { first + n };
            (first, end)
        };
        let mut found = Vec::with_capacity(values.len());
        for i in 0..values.len() {
            let (first, end) = at(i);
            let window = &values[first..end];
            let dot = |weights: &[f64], places: &[usize]| -> f64 {
                weights.iter().zip(places).map(|(w, &place)| w * window[place]).sum()
            };
            if window.len() == n && window.iter().all(|x| x.is_finite()) {
                let weights = &mut whole[i - first];
                if weights.is_empty() {
                    *weights = fit(&places, self.order, i - first, slope);
                }
                found.push(dot(weights, &places));
                continue;
            }
            let present: Vec<usize> = (0..window.len()).filter(|&place| window[place].is_finite()).collect();
            found.push(match present.len() > self.order {
                true => dot(&fit(&present, self.order, i - first, slope), &present),
                false => f64::NAN,
            });
        }
        Ok(found)
    }
}

/// The weights of the samples at some places in the value, or the slope, at a place of the polynomial that fits them best.
/// Polynomials that are orthogonal over the places are made one from the other (Forsythe 1957), which loses no digits.
fn fit(places: &[usize], order: usize, at: usize, slope: bool) -> Vec<f64> {
    let n = places.len();
    let xs: Vec<f64> = places.iter().map(|&place| place as f64 - at as f64).collect();
    let (mut before, mut now) = (vec![0.0; n], vec![1.0; n]);
    // The polynomials and their slopes at the place, which is 0.
    let (mut value, mut derivative) = ([0.0, 1.0], [0.0, 0.0]);
    let mut size_before = 1.0;
    let mut weights = vec![0.0; n];
    for degree in 0..=order {
        let size: f64 = now.iter().map(|p| p * p).sum();
        let there = if slope { derivative[1] } else { value[1] };
        weights.iter_mut().zip(&now).for_each(|(weight, p)| *weight += there * p / size);
        let alpha = now.iter().zip(&xs).map(|(p, x)| x * p * p).sum::<f64>() / size;
        let beta = if degree == 0 { 0.0 } else { size / size_before };
        let next: Vec<f64> = (0..n).map(|i| (xs[i] - alpha) * now[i] - beta * before[i]).collect();
        derivative = [derivative[1], value[1] - alpha * derivative[1] - beta * derivative[0]];
        value = [value[1], -alpha * value[1] - beta * value[0]];
        (before, now, size_before) = (now, next, size);
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_are_those_that_savitzky_and_golay_printed() {
        let centre = |n: usize, order, slope| fit(&(0..n).collect::<Vec<usize>>(), order, n / 2, slope);
        for (found, wanted, norm) in [
            (centre(5, 2, false), vec![-3.0, 12.0, 17.0, 12.0, -3.0], 35.0),
            (centre(7, 3, false), vec![-2.0, 3.0, 6.0, 7.0, 6.0, 3.0, -2.0], 21.0),
            (centre(5, 2, true), vec![-2.0, -1.0, 0.0, 1.0, 2.0], 10.0),
            (centre(5, 4, true), vec![1.0, -8.0, 0.0, 8.0, -1.0], 12.0),
        ] {
            assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b / norm).abs() < 1e-13), "{found:?} {wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn a_polynomial_comes_back_with_its_slope_whatever_is_missing(
            coefficients in prop::collection::vec(-1.0f64..1.0, 3),
            missing in prop::collection::vec(any::<bool>(), 40),
            causal in any::<bool>(),
        ) {
            let side = if causal { Side::Causal } else { Side::Centred };
            let filter = LocalPolynomial::new(11, 2, side).unwrap();
            let truth = |i: usize| {
                let x = i as f64 / 10.0;
                let [a, b, c] = [coefficients[0], coefficients[1], coefficients[2]];
                (a + b * x + c * x * x, b + 2.0 * c * x)
            };
            let values: Vec<f64> = (0..40).map(|i| if missing[i] { f64::NAN } else { truth(i).0 }).collect();
            let smooth = filter.smooth(&values).unwrap();
            let slopes = filter.slope(&values, 0.1).unwrap();
            for i in 0..40 {
                let first = if causal { (i + 1usize).saturating_sub(11) } else { i.saturating_sub(5).min(29) };
                let end = if causal { i + 1 } else { first + 11 };
                let enough = (first..end).filter(|&j| !missing[j]).count() > 2;
                prop_assert_eq!(smooth[i].is_nan(), !enough);
                if enough {
                    // Places far from what is present are extrapolated to.
                    prop_assert!((smooth[i] - truth(i).0).abs() < 1e-9);
                    prop_assert!((slopes[i] - truth(i).1).abs() < 1e-8);
                }
            }
        }

        #[test]
        fn nothing_after_a_sample_changes_what_a_causal_filter_says(values in prop::collection::vec(-1.0f64..1.0, 30)) {
            let filter = LocalPolynomial::new(8, 1, Side::Causal).unwrap();
            let all = filter.smooth(&values).unwrap();
            // The first sample alone holds no line.
            prop_assert!(all[0].is_nan());
            prop_assert_eq!(&filter.smooth(&values[..20]).unwrap()[1..], &all[1..20]);
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let message = |found: Result<LocalPolynomial>| found.unwrap_err().to_string();
        assert!(message(LocalPolynomial::new(5, 5, Side::Causal)).starts_with("order: expected less than"));
        assert!(message(LocalPolynomial::new(6, 2, Side::Centred)).starts_with("window: expected an odd"));
        let average = LocalPolynomial::new(5, 0, Side::Centred).unwrap();
        assert!(average.smooth(&[1.0; 4]).unwrap_err().to_string().starts_with("record: expected at least"));
        assert!(average.slope(&[1.0; 9], 1.0).is_err());
        assert_eq!(average.smooth(&[0.0, 1.0, 2.0, 3.0, 4.0, 9.0]).unwrap()[3], 3.8);
    }
}
