//! Long series made short enough to embed.

use super::Point;
use std::borrow::Cow;

/// How many points of a series a report embeds.
pub(in crate::report) const LIMIT: usize = 400;

/// The series if it has at most `limit` points, else about that many of its points: the first, the last, and of
/// each of equal runs in between the lowest and the highest, so that no peak is lost, and one that is not finite where there is one, so
/// that a line stays broken there.
pub(super) fn thin(points: &[Point], limit: usize) -> Cow<'_, [Point]> {
    let runs = limit.saturating_sub(2) / 2;
    if points.len() <= limit || runs == 0 {
        return Cow::Borrowed(points);
    }
    let inner = points.len() - 2;
    let mut kept = vec![0];
    for run in 0..runs {
        let range = 1 + run * inner / runs..1 + (run + 1) * inner / runs;
        let by_y = |a: &usize, b: &usize| points[*a].y.total_cmp(&points[*b].y);
        let known = range.clone().filter(|i| points[*i].y.is_finite());
        let gap = range.clone().find(|i| !points[*i].y.is_finite());
        let mut of: Vec<usize> = known.clone().min_by(by_y).into_iter().chain(known.max_by(by_y)).chain(gap).collect();
        of.sort_unstable();
        kept.extend(of);
    }
    kept.push(points.len() - 1);
    kept.dedup();
    Cow::Owned(kept.into_iter().map(|i| points[i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_gaps_and_peaks_beside_them() {
        let y = |i: usize| match i {
            5000..6000 | 7003 => f64::NAN,
            7001 => 50.0,
            i => (i % 10) as f64,
        };
        let points: Vec<Point> = (0..10_000).map(|i| Point { x: i as f64, y: y(i), low: None, high: None }).collect();
        let thinned = thin(&points, 100);
        let within = |from: f64, to: f64| thinned.iter().filter(move |p| p.x >= from && p.x < to);
        assert!(within(5000.0, 6000.0).all(|p| p.y.is_nan()) && within(5000.0, 6000.0).count() > 3);
        assert!(thinned.iter().any(|p| p.y == 50.0) && thinned.iter().any(|p| p.x == 7003.0));
        assert!(thinned.windows(2).all(|w| w[0].x < w[1].x));
    }

    #[test]
    fn thinning_keeps_ends_extremes_and_order() {
        let points: Vec<Point> = (0..10_000)
            .map(|i| Point {
                x: f64::from(i),
                y: if i == 7777 { 50.0 } else { f64::from(i % 10) },
                low: None,
                high: None,
            })
            .collect();
        let thinned = thin(&points, 100);
        assert!(thinned.len() <= 100 && thinned.len() > 50);
        assert_eq!((thinned[0].x, thinned[thinned.len() - 1].x), (0.0, 9999.0));
        assert!(thinned.iter().any(|p| p.y == 50.0));
        assert!(thinned.windows(2).all(|w| w[0].x < w[1].x));
        assert_eq!(thin(&points[..100], 100).len(), 100);
    }
}
