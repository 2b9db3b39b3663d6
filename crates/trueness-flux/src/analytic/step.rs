//! A sudden change at the top of a half-space.

use crate::medium::Medium;
use statrs::function::erf::erfc;

/// The temperature in °C at a depth in m and a time in s after the top of a half-space went from `before` to `after`:
/// T = T_i + ½ΔT·[erfc((z − vt)/2√κt) + e^(vz/κ)·erfc((z + vt)/2√κt)] (Ogata & Banks 1961).
pub fn ogata_banks(depth: f64, time: f64, before: f64, after: f64, flux: f64, medium: &Medium) -> f64 {
    if time <= 0.0 {
        return if depth > 0.0 { before } else { after };
    }
    let (v, kappa) = (medium.front(flux), medium.diffusivity(flux));
    let spread = 2.0 * (kappa * time).sqrt();
    let near = (depth - v * time) / spread;
    let far = (depth + v * time) / spread;
    // e^(vz/κ)·erfc(far) = e^(−near²)·erfcx(far), since vz/κ = far² − near²: the first overflows for fast water.
    let second =
        if far > 5.0 { (-near * near).exp() * scaled_erfc(far) } else { (v * depth / kappa).exp() * erfc(far) };
    before + 0.5 * (after - before) * (erfc(near) + second)
}

/// e^(x²)·erfc(x) for x > 5, by its continued fraction.
fn scaled_erfc(x: f64) -> f64 {
    let tail = (1..=40).rev().fold(x, |tail, k| x + f64::from(k) / 2.0 / tail);
    1.0 / (tail * std::f64::consts::PI.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scaled_function_meets_the_plain_one() {
        for x in [5.0_f64, 5.5, 7.0, 12.0, 20.0] {
            let plain = (x * x).exp() * erfc(x);
            assert!((scaled_erfc(x) / plain - 1.0).abs() < 1e-9, "{x}: {} {plain}", scaled_erfc(x));
        }
    }
}
