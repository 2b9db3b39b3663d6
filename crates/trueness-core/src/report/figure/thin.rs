//! Long series made short enough to embed.

use super::Point;
use std::borrow::Cow;

/// How many points of a series a report embeds.
pub(in crate::report) const LIMIT: usize = 400;

/// The series if it has at most `limit` points, else about that many of its points: the first, the last, and of
/// each of equal runs in between the lowest and the highest, so that no peak is lost.
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
        if let (Some(low), Some(high)) = (range.clone().min_by(by_y), range.max_by(by_y)) {
            kept.extend([low.min(high), low.max(high)]);
        }
    }
    kept.push(points.len() - 1);
    kept.dedup();
    Cow::Owned(kept.into_iter().map(|i| points[i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
