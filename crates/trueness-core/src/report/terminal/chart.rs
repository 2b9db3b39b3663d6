//! Figures on a terminal: bars and whiskers for categories, a line of blocks for curves.

use super::Page;
use crate::report::figure::{Figure, Kind, Point, Scale, Series};
use crate::report::number::{interval, plain};
use crate::report::text::{cut, line, pad, width};

/// Eighths of a block, from one to eight.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Heights of a block, from one eighth to eight.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The longest bar in columns.
const LONGEST: usize = 32;
/// The shortest bar that is worth drawing, in columns.
const SHORTEST: usize = 6;

impl Page {
    /// A figure: its title, what of it a terminal can show, and where the whole is.
    pub(super) fn chart(&self, out: &mut Vec<String>, figure: &Figure, name: &str) {
        self.paragraph(out, &figure.title, "", str::to_owned);
        if figure.is_sideways() {
            self.rows(out, figure);
        } else if figure.x.categories.is_none() {
            figure.series.iter().for_each(|series| self.curve(out, figure, series));
        }
        out.push(self.paint.dim(&cut(&format!("  → figures/{name}.svg"), self.columns)));
    }

    fn rows(&self, out: &mut Vec<String>, figure: &Figure) {
        let names = figure.y.categories.as_deref().unwrap_or(&[]);
        let mut rows: Vec<(String, Option<&Point>)> = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let mut found = false;
            for series in &figure.series {
                let points = series.points.iter().filter(|p| p.x.is_finite() && p.y.round() == i as f64);
                for point in points {
                    let series = if figure.series.len() > 1 { format!(" · {}", series.name) } else { String::new() };
                    rows.push((line(&format!("{name}{series}")), Some(point)));
                    found = true;
                }
            }
            if !found {
                rows.push((line(name), None));
            }
        }
        let value = |point: &Option<&Point>| match point {
            Some(p) => {
                let (value, interval) = interval(p.x, p.low, p.high, false);
                interval.map_or(value.clone(), |interval| format!("{value} {interval}"))
            }
            None => "–".to_owned(),
        };
        let values: Vec<String> = rows.iter().map(|(_, point)| value(point)).collect();
        let value_column = values.iter().map(|v| width(v)).max().unwrap_or(0);
        let most = self.columns.saturating_sub(value_column + 6).min(self.columns / 2);
        let name_column = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0).min(most);
        let room = self.columns.saturating_sub(name_column + value_column + 6).min(LONGEST);
        let chart = Chart::new(figure, &rows, room);
        for ((name, point), value) in rows.iter().zip(&values) {
            let name = pad(&cut(name, name_column), name_column, false);
            let bar = point.map(|p| chart.draw(p)).unwrap_or_default();
            out.push(format!("  {name}  {}  {}", pad(value, value_column, false), self.paint.blue(&bar)));
        }
    }

    fn curve(&self, out: &mut Vec<String>, figure: &Figure, series: &Series) {
        if !matches!(series.kind, Kind::Line | Kind::Band) {
            return;
        }
        let values: Vec<f64> = series.points.iter().map(|p| p.y).filter(|y| y.is_finite()).collect();
        let (Some(first), Some(last)) = (values.first(), values.last()) else { return };
        let ends = format!("{} → {}", plain(*first), plain(*last));
        let most = figure.series.iter().map(|s| width(&line(&s.name))).max().unwrap_or(0).min(self.columns / 3);
        let room = self.columns.saturating_sub(most + width(&ends) + 6).min(LONGEST);
        let name = pad(&cut(&line(&series.name), most), most, false);
        let gap = if most == 0 { "" } else { "  " };
        let drawn = side_by_side(figure, series, room).unwrap_or(values);
        out.push(format!("  {name}{gap}{}  {ends}", self.paint.blue(&heights(&drawn, room))));
    }
}

/// How values become bars.
struct Chart {
    low: f64,
    high: f64,
    log: bool,
    bars: bool,
    room: usize,
}

impl Chart {
    fn new(figure: &Figure, rows: &[(String, Option<&Point>)], room: usize) -> Self {
        let log = figure.x.scale == Scale::Log;
        let ends = rows.iter().filter_map(|(_, p)| *p).flat_map(|p| [Some(p.x), p.low, p.high]).flatten();
        let (low, high) = ends
            .filter_map(|x| scaled(x, log))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        // A bar says "so much of it" and needs a zero; where there is none, whiskers say "from here to there".
        let bars = !log && low >= 0.0;
        Self { low: if bars { 0.0 } else { low }, high, log, bars, room }
    }

    /// The place of a value, from 0 to 1.
    fn at(&self, x: f64) -> f64 {
        let span = self.high - self.low;
        let at = scaled(x, self.log).map_or(0.0, |x| (x - self.low) / span);
        if at.is_finite() { at.clamp(0.0, 1.0) } else { 0.5 }
    }

    fn draw(&self, point: &Point) -> String {
        if self.room < SHORTEST {
            return String::new();
        }
        if self.bars {
            let eighths = (self.at(point.x) * self.room as f64 * 8.0).round() as usize;
            let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
            bar.extend((eighths % 8).checked_sub(1).and_then(|i| EIGHTHS.get(i)));
            return bar;
        }
        let column = |x: f64| (self.at(x) * (self.room - 1) as f64).round() as usize;
        let centre = column(point.x);
        let from = point.low.map_or(centre, column);
        let to = point.high.map_or(centre, column);
        (0..=to.max(centre))
            .map(|i| match i {
                i if i == centre => '●',
                i if i == from => '├',
                i if i == to => '┤',
                i if (from..to).contains(&i) => '─',
                _ => ' ',
            })
            .collect()
    }
}

/// A value as its axis sees it, small enough that differences do not overflow.
fn scaled(x: f64, log: bool) -> Option<f64> {
    if !x.is_finite() || log && x <= 0.0 {
        return None;
    }
    Some(if log { x.log10() } else { x.clamp(-1e300, 1e300) })
}

/// A curve at `columns` places of the horizontal axis, the same for all curves of the figure, so that what stands below each other is of
/// the same place. Nothing where all curves have the same places anyhow, or one goes back.
fn side_by_side(figure: &Figure, series: &Series, columns: usize) -> Option<Vec<f64>> {
    let log = figure.x.scale == Scale::Log;
    let places = |series: &Series| -> Option<Vec<(f64, f64)>> {
        let finite = series.points.iter().filter(|point| point.y.is_finite());
        finite.map(|point| Some((scaled(point.x, log)?, point.y))).collect()
    };
    let curves: Vec<&Series> = figure.series.iter().filter(|s| matches!(s.kind, Kind::Line | Kind::Band)).collect();
    let all: Vec<Vec<(f64, f64)>> = curves.iter().map(|series| places(series)).collect::<Option<_>>()?;
    let same = all.iter().all(|one| one.iter().map(|p| p.0).eq(all[0].iter().map(|p| p.0)));
    if same || all.iter().any(|one| !one.is_sorted_by(|a, b| a.0 <= b.0)) {
        return None;
    }
    let ends = all.iter().flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.0), b.max(p.0)));
    let own = places(series)?;
    let at = |x: f64| -> Option<f64> {
        let next = own.partition_point(|point| point.0 <= x);
        match (next.checked_sub(1).and_then(|i| own.get(i)), own.get(next)) {
            (Some(a), Some(b)) => Some(a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0)),
            (a, b) => a.or(b).map(|point| point.1),
        }
    };
    let place = |i: usize| ends.0 + (ends.1 - ends.0) * i as f64 / (columns.max(2) - 1) as f64;
    (0..columns).map(|i| at(place(i))).collect()
}

/// A curve as a line of blocks of eight heights, at most `room` columns.
fn heights(values: &[f64], room: usize) -> String {
    let columns = room.min(values.len());
    if columns < 2 {
        return String::new();
    }
    let scaled: Vec<f64> = values.iter().filter_map(|x| scaled(*x, false)).collect();
    let low = scaled.iter().copied().fold(f64::INFINITY, f64::min);
    let span = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
    (0..columns)
        .map(|i| {
            let run = &scaled[i * scaled.len() / columns..(i + 1) * scaled.len() / columns];
            let mean = run.iter().map(|x| x / run.len() as f64).sum::<f64>();
            let at = if span > 0.0 { ((mean - low) / span * 7.0).round() as usize } else { 3 };
            HEIGHTS[at.min(7)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let chart = Chart { low: 0.0, high: 1.0, log: false, bars: true, room: 10 };
        let point = |x| Point { x, y: 0.0, low: None, high: None };
        assert_eq!(chart.draw(&point(0.4)), "████");
        assert_eq!(chart.draw(&point(0.425)), "████▎");
        assert_eq!(chart.draw(&point(0.0)), "");
    }

    #[test]
    fn whiskers_span_the_interval() {
        let chart = Chart { low: -1.0, high: 1.0, log: false, bars: false, room: 11 };
        let point = Point { x: 0.0, y: 0.0, low: Some(-0.4), high: Some(0.6) };
        assert_eq!(chart.draw(&point), "   ├─●──┤");
    }

    #[test]
    fn curves_of_one_figure_stand_at_the_same_places() {
        let line = |points: &[(f64, f64)]| {
            points.iter().fold(Series::new("a", Kind::Line), |series, p| series.point(p.0, p.1))
        };
        let (low, high) = (line(&[(0.0, 0.0), (1.0, 1.0)]), line(&[(3.0, 0.0), (4.0, 1.0)]));
        let both = Figure::new("f", "f").series(low.clone()).series(high.clone());
        assert_eq!(side_by_side(&both, &low, 5), Some(vec![0.0, 1.0, 1.0, 1.0, 1.0]));
        assert_eq!(side_by_side(&both, &high, 5), Some(vec![0.0, 0.0, 0.0, 0.0, 1.0]));
        let alike = Figure::new("f", "f").series(low.clone()).series(low.clone());
        assert_eq!(side_by_side(&alike, &low, 5), None);
    }

    #[test]
    fn curves_rise_from_low_to_high_blocks() {
        assert_eq!(heights(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8), "▁▂▃▄▅▆▇█");
        assert_eq!(heights(&[2.0, 2.0], 8), "▄▄");
    }
}
