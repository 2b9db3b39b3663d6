//! Heat in many saturated columns at once, by finite volumes.
//!
//! ρc·∂T/∂t = ∂/∂z[(λ + β·ρ_w c_w·|q|)·∂T/∂z] − ρ_w c_w·q·∂T/∂z, with a flux q that is uniform in depth and free in time. The
//! columns share a [`Grid`], a [`Scheme`], a [`Stepping`] and the kinds of their two [`Edge`]s; media, fluxes and
//! temperatures are each column's own. Values lie cell by cell, and within a cell column by column, so that one
//! instruction serves several columns: ensembles and training sets are the fast path, and a single column is an
//! ensemble of one. [`Richards`] is the column that need not be saturated, with [`Soil`]s of their own curves;
//! [`Section`] is a vertical plane, across which water and heat move too.

mod balance;
mod grid;
mod heads;
mod richards;
mod section;
mod soil;
mod solve;

pub use balance::Balance;
pub use grid::Grid;
pub use richards::{Richards, WaterEdge};
pub use section::{Flow, Ground, Section, Side, Sides};
pub use soil::Soil;

use crate::medium::Medium;
use crate::{Error, Result};
use solve::Work;

/// How the temperature at the face between two cells is made from theirs, for the heat that flows with the water.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// By distance: of second order, and without wiggles as long as ρ_w c_w·|q|·Δz < 2λ.
    #[default]
    Central,
    /// The cell the water comes from: of first order, without wiggles.
    Upwind,
    /// Between both, limited by van Leer's ψ(r) = (r + |r|)/(1 + |r|): of second order where the profile is smooth.
    Tvd,
}

/// How a step is made in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepping {
    /// Backward Euler, of first order.
    Implicit,
    /// Crank–Nicolson, of second order, whose first steps are each made as two implicit ones of half the length: they damp
    /// what a sudden change at an edge begins (Rannacher 1984).
    CrankNicolson {
        /// How many steps are.
        damped: u32,
    },
}

impl Default for Stepping {
    fn default() -> Self {
        Self::CrankNicolson { damped: 2 }
    }
}

/// What is given at an end of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The temperature of the end's face, in °C.
    Temperature,
    /// The heat that is conducted into the column, in W/m²; water that crosses the face has the temperature of the cell.
    Heat,
}

/// What drives a step, one value a column; edges at its begin and at its end.
#[derive(Clone, Copy, Debug)]
pub struct Drive<'a> {
    /// Darcy flux in m/s, positive downward, the mean of the step.
    pub flux: &'a [f64],
    /// The upper edge at the begin and at the end of the step.
    pub top: [&'a [f64]; 2],
    /// The lower edge at the begin and at the end of the step.
    pub bottom: [&'a [f64]; 2],
}

/// Columns with their temperatures.
#[derive(Clone, Debug)]
pub struct Columns {
    grid: Grid,
    scheme: Scheme,
    stepping: Stepping,
    edges: [Edge; 2],
    n: usize,
    /// Heat capacity, conductivity and dispersivity, cell by cell.
    heat: Vec<f64>,
    conductivity: Vec<f64>,
    dispersivity: Vec<f64>,
    temperatures: Vec<f64>,
    steps: u64,
    balance: Balance,
    work: Work,
}

impl Columns {
    /// Columns of layered media: `medium(cell, column)`, `start(depth of the cell's centre, column)` in °C. The edges are
    /// the upper one and the lower one.
    ///
    /// # Errors
    /// [`Error::Input`] for no columns, or values out of their range, naming cell and column.
    pub fn new(
        grid: Grid,
        n: usize,
        edges: [Edge; 2],
        medium: impl Fn(usize, usize) -> Medium,
        start: impl Fn(f64, usize) -> f64,
    ) -> Result<Self> {
        if n == 0 {
            return Err(Error::Input("expected at least one column".to_owned()));
        }
        let cells = grid.cells();
        let mut columns = Self {
            n,
            edges,
            scheme: Scheme::default(),
            stepping: Stepping::default(),
            heat: Vec::with_capacity(cells * n),
            conductivity: Vec::with_capacity(cells * n),
            dispersivity: Vec::with_capacity(cells * n),
            temperatures: Vec::with_capacity(cells * n),
            steps: 0,
            balance: Balance::new(n),
            work: Work::new(cells, n),
            grid,
        };
        for cell in 0..cells {
            let depth = columns.grid.centre(cell);
            for column in 0..n {
                let at = |what: String| Error::Input(format!("column {column}, cell {cell}: {what}"));
                let medium = medium(cell, column).checked().map_err(|error| at(error.to_string()))?;
                let temperature = start(depth, column);
                if !temperature.is_finite() {
                    return Err(at(format!("temperature: expected °C, got {temperature}")));
                }
                columns.heat.push(medium.heat);
                columns.conductivity.push(medium.conductivity);
                columns.dispersivity.push(medium.dispersivity);
                columns.temperatures.push(temperature);
            }
        }
        Ok(columns)
    }

    /// Chooses the scheme of what flows with the water.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Chooses how steps are made.
    #[must_use]
    pub fn with_stepping(mut self, stepping: Stepping) -> Self {
        self.stepping = stepping;
        self
    }

    /// The cells.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Never: there is at least one column.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The temperatures of a cell in °C, one a column.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn cell(&self, cell: usize) -> &[f64] {
        &self.temperatures[cell * self.n..(cell + 1) * self.n]
    }

    /// The temperatures at a depth within the outermost cells' centres, in °C, between the centres by distance.
    ///
    /// # Errors
    /// [`Error::Input`] for a depth outside.
    pub fn at_depth(&self, depth: f64) -> Result<Vec<f64>> {
        let (cell, share) = self.grid.between(depth)?;
        let (above, below) = (self.cell(cell), self.cell((cell + 1).min(self.grid.cells() - 1)));
        Ok(above.iter().zip(below).map(|(a, b)| a + share * (b - a)).collect())
    }

    /// The temperature of one column at any depth, in °C, between centres and edges by distance; the edges' values beyond them.
    pub(crate) fn between_edges(&self, column: usize, depth: f64, top: f64, bottom: f64) -> f64 {
        let cells = self.grid.cells();
        let at = |cell: usize| self.temperatures[cell * self.n + column];
        let (begin, end) = self.grid.ends();
        let (first, last) = (self.grid.centre(0), self.grid.centre(cells - 1));
        if depth < first {
            return top + (at(0) - top) * ((depth - begin) / (first - begin)).max(0.0);
        }
        if depth > last {
            return bottom + (at(cells - 1) - bottom) * ((end - depth) / (end - last)).max(0.0);
        }
        let (cell, share) = self.grid.place(depth);
        at(cell) + share * (at((cell + 1).min(cells - 1)) - at(cell))
    }

    /// What heat went in and out, and what is stored.
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// Moves all columns on by `seconds`.
    ///
    /// # Errors
    /// [`Error::Input`] for a step of 0 or less, for values that are not one a column, or not finite; nothing has moved.
    pub fn step(&mut self, seconds: f64, drive: Drive<'_>) -> Result<()> {
        if !(seconds > 0.0 && seconds.is_finite()) {
            return Err(Error::Input(format!("step: expected seconds above 0, got {seconds}")));
        }
        let Drive { flux, top, bottom } = drive;
        let given = [("flux", flux), ("top", top[0]), ("top", top[1]), ("bottom", bottom[0]), ("bottom", bottom[1])];
        for (name, values) in given {
            if values.len() != self.n {
                return Err(Error::Input(format!(
                    "{name}: expected {} values, one a column, got {}",
                    self.n,
                    values.len()
                )));
            }
            if let Some(column) = values.iter().position(|x| !x.is_finite()) {
                return Err(Error::Input(format!("{name}: column {column} has {}", values[column])));
            }
        }
        match self.stepping {
            Stepping::Implicit => self.advance(seconds, 1.0, drive),
            Stepping::CrankNicolson { damped } if self.steps < u64::from(damped) => {
                let middle =
                    |[a, b]: [&[f64]; 2]| a.iter().zip(b).map(|(a, b)| f64::midpoint(*a, *b)).collect::<Vec<f64>>();
                let (top_middle, bottom_middle) = (middle(top), middle(bottom));
                let half = Drive { flux, top: [top[0], &top_middle], bottom: [bottom[0], &bottom_middle] };
                self.advance(seconds / 2.0, 1.0, half);
                let half = Drive { flux, top: [&top_middle, top[1]], bottom: [&bottom_middle, bottom[1]] };
                self.advance(seconds / 2.0, 1.0, half);
            }
            Stepping::CrankNicolson { .. } => self.advance(seconds, 0.5, drive),
        }
        self.steps += 1;
        Ok(())
    }
}
