//! Figures drawn from data, as SVG of our own.
//!
//! A figure is drawn at two widths, since an image scaled down to a phone would have unreadable letters. Colours
//! are CSS custom properties, so that one drawing serves light, dark and print; each mark also carries its light
//! colour as an attribute, for programs that do not know custom properties.

mod axes;
mod csv;
mod forest;
mod legend;
mod marks;
mod palette;
mod plane;
mod ruler;
mod svg;
mod thin;

use crate::estimate::Estimate;
use serde::{Deserialize, Serialize};

pub use csv::csv;
pub(super) use csv::data;
pub(super) use palette::{DARK, LIGHT, RULES};
pub(super) use svg::{Frame, draw};
pub use svg::{figures, svg};
pub(super) use thin::LIMIT;

/// A figure: series over two axes.
///
/// Where the vertical axis has categories, the figure is drawn sideways: a point's `y` is the number of its
/// category, counted from 0, its `x` the value, and its interval lies along x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// A name for the file, unique in the report.
    pub id: String,
    /// What the figure shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The data.
    pub series: Vec<Series>,
    /// Lines to compare with.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// Whether both axes are equally long.
    #[serde(default)]
    pub square: bool,
}

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scale {
    /// Equal differences take equal space.
    #[default]
    Linear,
    /// Equal ratios take equal space. What is not positive cannot be shown and is left out.
    Log,
}

/// An axis.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Axis {
    /// What is measured.
    pub label: String,
    /// The unit; empty for a pure number.
    #[serde(default)]
    pub unit: String,
    /// How values are laid out.
    #[serde(default)]
    pub scale: Scale,
    /// Names that take the place of numbers: value i stands at the i-th name, counted from 0.
    #[serde(default)]
    pub categories: Option<Vec<String>>,
    /// The least and the greatest value shown; all data if not given.
    #[serde(default)]
    pub range: Option<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A line through the points, with error bars.
    Line,
    /// Marks with error bars.
    Points,
    /// Bars from 0 with error bars.
    Bars,
    /// A line through the points in a band that the intervals span.
    Band,
}

/// A named series of points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// How it is drawn.
    pub kind: Kind,
    /// The points, in the order in which a line joins them.
    pub points: Vec<Point>,
}

/// A point with an interval. What is missing is left out of the series; what is not finite is not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The place along the horizontal axis.
    pub x: f64,
    /// The place along the vertical axis.
    pub y: f64,
    /// The lower end of the value's interval.
    #[serde(default)]
    pub low: Option<f64>,
    /// The upper end of the value's interval.
    #[serde(default)]
    pub high: Option<f64>,
}

/// A line to compare with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reference {
    /// A vertical line at an x, such as a floor.
    X {
        /// Where.
        at: f64,
        /// What it is.
        label: String,
    },
    /// A horizontal line at a y.
    Y {
        /// Where.
        at: f64,
        /// What it is.
        label: String,
    },
    /// The line x = y.
    Diagonal {
        /// What it is.
        label: String,
    },
}

impl Axis {
    /// An axis of numbers.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// An axis of names.
    pub fn categories<S: Into<String>>(label: impl Into<String>, names: impl IntoIterator<Item = S>) -> Self {
        Self { categories: Some(names.into_iter().map(Into::into).collect()), ..Self::new(label) }
    }

    /// The same axis in a unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// The same axis with equal space for equal ratios.
    pub fn log(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }

    /// The same axis from one value to another.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// The label with the unit.
    fn text(&self) -> String {
        let label = super::text::line(&self.label);
        if self.unit.is_empty() { label } else { format!("{label} ({})", super::text::line(&self.unit)) }
    }
}

impl Series {
    /// A series without points.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, points: Vec::new() }
    }

    /// The same series with one more point; one that is not finite is left out.
    pub fn point(mut self, x: f64, y: f64) -> Self {
        if x.is_finite() && y.is_finite() {
            self.points.push(Point { x, y, low: None, high: None });
        }
        self
    }

    /// The same series with many more points; those that are not finite are left out.
    pub fn points(self, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        points.into_iter().fold(self, |series, (x, y)| series.point(x, y))
    }

    /// The same series with an estimate at an x; a missing one is left out.
    pub fn estimate(mut self, x: f64, estimate: &Estimate) -> Self {
        if let Some(y) = estimate.value.filter(|y| y.is_finite() && x.is_finite()) {
            self.points.push(Point { x, y, low: estimate.low, high: estimate.high });
        }
        self
    }

    /// The same series with an estimate of the i-th category of the vertical axis, counted from 0; a missing one is
    /// left out.
    pub fn row(mut self, category: usize, estimate: &Estimate) -> Self {
        if let Some(x) = estimate.value.filter(|x| x.is_finite()) {
            self.points.push(Point { x, y: category as f64, low: estimate.low, high: estimate.high });
        }
        self
    }
}

impl Figure {
    /// A figure without data.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            caption: String::new(),
            alt: String::new(),
            x: Axis::default(),
            y: Axis::default(),
            series: Vec::new(),
            references: Vec::new(),
            square: false,
        }
    }

    /// Named estimates below each other, with their intervals. The unit is that of the first estimate.
    pub fn forest<S: Into<String>>(
        id: impl Into<String>,
        title: impl Into<String>,
        label: impl Into<String>,
        rows: impl IntoIterator<Item = (S, Estimate)>,
    ) -> Self {
        let (names, estimates): (Vec<String>, Vec<Estimate>) = rows.into_iter().map(|(n, e)| (n.into(), e)).unzip();
        let unit = estimates.first().map_or("", |e| &e.unit);
        let series = Series::new("", Kind::Points);
        Self::new(id, title)
            .x(Axis::new(label).unit(unit))
            .y(Axis::categories("", names))
            .series(estimates.iter().enumerate().fold(series, |s, (i, e)| s.row(i, e)))
    }

    /// The same figure with a sentence on how to read it.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// The same figure with a description for those who do not see it. Without one, the data are described.
    pub fn alt(mut self, alt: impl Into<String>) -> Self {
        self.alt = alt.into();
        self
    }

    /// The same figure with a horizontal axis.
    pub fn x(mut self, axis: Axis) -> Self {
        self.x = axis;
        self
    }

    /// The same figure with a vertical axis.
    pub fn y(mut self, axis: Axis) -> Self {
        self.y = axis;
        self
    }

    /// The same figure with one more series.
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// The same figure with a line to compare with.
    pub fn reference(mut self, reference: Reference) -> Self {
        self.references.push(reference);
        self
    }

    /// The same figure with a vertical line at an x.
    pub fn reference_x(self, at: f64, label: impl Into<String>) -> Self {
        self.reference(Reference::X { at, label: label.into() })
    }

    /// The same figure with a horizontal line at a y.
    pub fn reference_y(self, at: f64, label: impl Into<String>) -> Self {
        self.reference(Reference::Y { at, label: label.into() })
    }

    /// The same figure with the line x = y.
    pub fn diagonal(self, label: impl Into<String>) -> Self {
        self.reference(Reference::Diagonal { label: label.into() })
    }

    /// The same figure with axes of equal length.
    pub fn square(mut self) -> Self {
        self.square = true;
        self
    }

    /// Whether the figure is drawn sideways: categories below each other, values to the right.
    pub(super) fn is_sideways(&self) -> bool {
        self.y.categories.is_some()
    }

    /// The description for those who do not see the figure: the author's, or one made from the data.
    pub(super) fn description(&self) -> String {
        if !self.alt.trim().is_empty() {
            return super::text::clean(&self.alt);
        }
        let (x, y) = (self.x.text(), self.y.text());
        let n: usize = self.series.iter().map(|s| s.points.len()).sum();
        let names: Vec<&str> = self.series.iter().map(|s| s.name.as_str()).filter(|n| !n.is_empty()).collect();
        let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
        let over = match (x.is_empty(), y.is_empty()) {
            (false, false) => format!("{y} over {x}"),
            _ => format!("{x}{y}"),
        };
        super::text::clean(&format!("{over}: {n} points{of}. The data follow as a table or a file."))
    }
}
