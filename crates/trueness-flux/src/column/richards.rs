//! Water and heat in one column that need not be saturated: Richards' equation in its mixed form.
//!
//! ∂θ/∂t + S_s·∂max(h, 0)/∂t = ∂/∂z[K·(∂h/∂z − 1)] with depth z downward and flux q = K·(1 − ∂h/∂z), by implicit steps and the modified
//! Picard iteration of Celia, Bouloutas & Zarba (1990), which keeps the mass of water; a step that does not settle is cut in two.
//! Heat follows in conservative form: ∂(C·T)/∂t = ∂/∂z[λ·∂T/∂z − ρ_w c_w·q·T], with the fluxes and water contents that were found.

use super::{Balance, Grid, Soil};
use crate::medium::{WATER_HEAT, viscosity};
use crate::{Error, Result};

/// What is given for water at an end of the column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WaterEdge {
    /// The pressure head of the end's face, in m.
    Head(f64),
    /// The flux through the face in m/s, positive downward.
    Flux(f64),
    /// Water leaves as fast as its weight moves it: ∂h/∂z = 0. At the lower end only.
    Drain,
}

/// How far the water of a step may be from kept, as a share of what the pores hold.
const SETTLED: f64 = 1e-12;

/// How many rounds a step may take, and in how many pieces it may be cut.
const ROUNDS: usize = 60;
const PIECES: f64 = 1e6;

/// A column of soils with its pressure heads and temperatures.
#[derive(Clone, Debug)]
pub struct Richards {
    grid: Grid,
    soils: Vec<Soil>,
    heads: Vec<f64>,
    temperatures: Vec<f64>,
    by_temperature: bool,
    water: Balance,
    heat: Balance,
    /// The fluxes of the last piece of a step, one a face, positive downward.
    fluxes: Vec<f64>,
}

impl Richards {
    /// A column of soils: `soil(cell)`, and `start(depth)` gives pressure head in m and temperature in °C.
    ///
    /// # Errors
    /// [`Error::Input`] for values out of their range, naming the cell.
    pub fn new(grid: Grid, soil: impl Fn(usize) -> Soil, start: impl Fn(f64) -> (f64, f64)) -> Result<Self> {
        let at = |cell: usize, what: String| Error::Input(format!("cell {cell}: {what}"));
        let mut column = Self {
            soils: Vec::new(),
            heads: Vec::new(),
            temperatures: Vec::new(),
            by_temperature: false,
            water: Balance::new(1),
            heat: Balance::new(1),
            fluxes: vec![0.0; grid.cells() + 1],
            grid,
        };
        for cell in 0..column.grid.cells() {
            let (head, temperature) = start(column.grid.centre(cell));
            if !(head.is_finite() && temperature.is_finite()) {
                return Err(at(cell, format!("expected a head in m and °C, got {head} and {temperature}")));
            }
            column.soils.push(soil(cell).checked().map_err(|error| at(cell, error.to_string()))?);
            column.heads.push(head);
            column.temperatures.push(temperature);
        }
        Ok(column)
    }

    /// Lets the viscosity of water follow its temperature; without this, conductivity is that at 20 °C.
    #[must_use]
    pub fn with_viscosity(mut self) -> Self {
        self.by_temperature = true;
        self
    }

    /// The cells.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Pressure heads of the cells in m.
    pub fn heads(&self) -> &[f64] {
        &self.heads
    }

    /// Temperatures of the cells in °C.
    pub fn temperatures(&self) -> &[f64] {
        &self.temperatures
    }

    /// Fluxes through the faces in m/s, positive downward, at the end of the last step.
    pub fn fluxes(&self) -> &[f64] {
        &self.fluxes
    }

    /// Water that came in, went out and is stored, in m.
    pub fn water_balance(&self) -> &Balance {
        &self.water
    }

    /// Heat that came in, went out and is stored, in J/m².
    pub fn heat_balance(&self) -> &Balance {
        &self.heat
    }

    /// Moves on by `seconds`, with what water does at the upper and the lower end, and the temperatures of both faces in °C.
    ///
    /// # Errors
    /// [`Error::Input`] for a step of 0 or less, values that are not finite, or a step that does not settle however short its
    /// pieces; what was reached before stays.
    pub fn step(&mut self, seconds: f64, water: [WaterEdge; 2], temperatures: [f64; 2]) -> Result<()> {
        if !(seconds > 0.0 && seconds.is_finite()) {
            return Err(Error::Input(format!("step: expected seconds above 0, got {seconds}")));
        }
        if water[0] == WaterEdge::Drain {
            return Err(Error::Input("top: water drains at the lower end only".to_owned()));
        }
        for edge in water {
            if let WaterEdge::Head(value) | WaterEdge::Flux(value) = edge
                && !value.is_finite()
            {
                return Err(Error::Input(format!("edge: expected a head or a flux, got {value}")));
            }
        }
        if let Some(value) = temperatures.iter().find(|value| !value.is_finite()) {
            return Err(Error::Input(format!("edge: expected °C, got {value}")));
        }
        let (mut left, mut piece) = (seconds, seconds);
        while left > 0.0 {
            piece = piece.min(left);
            match self.settle(piece, water) {
                Some((heads, fluxes)) => {
                    self.move_heat(piece, &heads, &fluxes, temperatures);
                    self.account(piece, &heads, &fluxes);
                    (self.heads, self.fluxes) = (heads, fluxes);
                    left = if piece == left { 0.0 } else { left - piece };
                    piece *= 1.5;
                }
                None if piece * PIECES > seconds => piece /= 2.0,
                None => {
                    return Err(Error::Input(format!(
                        "the water of a step of {piece} s does not settle; expected soils and edges with finer cells"
                    )));
                }
            }
        }
        Ok(())
    }

    /// What a conductivity is at a cell's temperature.
    fn eased(&self, temperature: f64) -> f64 {
        match self.by_temperature {
            true => viscosity(20.0) / viscosity(temperature),
            false => 1.0,
        }
    }

    /// Fluxes through all faces, and what each gains by the head above and loses by the head below.
    fn faces(&self, heads: &[f64], water: [WaterEdge; 2]) -> (Vec<f64>, Vec<f64>) {
        let cells = heads.len();
        let conducts: Vec<f64> = (0..cells)
            .map(|cell| self.soils[cell].conductivity(heads[cell]) * self.eased(self.temperatures[cell]))
            .collect();
        let mut fluxes = vec![0.0; cells + 1];
        let mut slopes = vec![0.0; cells + 1];
        for face in 1..cells {
            // Celia's choice at the face: the mean of both cells.
            let mean = f64::midpoint(conducts[face - 1], conducts[face]);
            let apart = self.grid.centre(face) - self.grid.centre(face - 1);
            slopes[face] = mean / apart;
            fluxes[face] = mean * (1.0 + (heads[face - 1] - heads[face]) / apart);
        }
        for (side, (face, cell)) in [(0, 0), (cells, cells - 1)].into_iter().enumerate() {
            match water[side] {
                WaterEdge::Head(head) => {
                    let soil = &self.soils[cell];
                    let edge = soil.conductivity(head) * self.eased(self.temperatures[cell]);
                    let mean = f64::midpoint(edge, conducts[cell]);
                    let half = self.grid.height(cell) / 2.0;
                    slopes[face] = mean / half;
                    let fall = if side == 0 { head - heads[cell] } else { heads[cell] - head };
                    fluxes[face] = mean * (1.0 + fall / half);
                }
                WaterEdge::Flux(flux) => fluxes[face] = flux,
                WaterEdge::Drain => fluxes[face] = conducts[cell],
            }
        }
        (fluxes, slopes)
    }

    /// Stored water per volume: what pores hold, and what pressure adds.
    fn stored(&self, cell: usize, head: f64) -> f64 {
        let soil = &self.soils[cell];
        // Only where the pores are full does pressure add water.
        soil.water(head) + soil.storage * head.max(0.0)
    }

    /// Heads and fluxes at the end of a piece, where the iteration settles.
    fn settle(&self, seconds: f64, water: [WaterEdge; 2]) -> Option<(Vec<f64>, Vec<f64>)> {
        let cells = self.heads.len();
        let mut heads = self.heads.clone();
        let before: Vec<f64> = (0..cells).map(|cell| self.stored(cell, self.heads[cell])).collect();
        let mut upper = vec![0.0; cells];
        let mut change = vec![0.0; cells];
        for _ in 0..ROUNDS {
            let (fluxes, slopes) = self.faces(&heads, water);
            let mut worst: f64 = 0.0;
            for cell in 0..cells {
                let height = self.grid.height(cell);
                let soil = &self.soils[cell];
                let missing = (fluxes[cell] - fluxes[cell + 1])
                    - height * (self.stored(cell, heads[cell]) - before[cell]) / seconds;
                worst = worst.max(missing.abs() * seconds / (height * soil.wet));
                let storage = if heads[cell] > 0.0 { soil.storage } else { 0.0 };
                let inertia = height * (soil.capacity(heads[cell]) + storage) / seconds;
                let lower = if cell > 0 { -slopes[cell] } else { 0.0 };
                let mut diagonal = inertia + slopes[cell] + slopes[cell + 1];
                let mut value = missing;
                if cell > 0 {
                    diagonal -= lower * upper[cell - 1];
                    value -= lower * change[cell - 1];
                }
                if diagonal.is_nan() || diagonal <= 0.0 {
                    return None;
                }
                upper[cell] = if cell + 1 < cells { -slopes[cell + 1] / diagonal } else { 0.0 };
                change[cell] = value / diagonal;
            }
            if worst < SETTLED {
                return Some((heads, fluxes));
            }
            for cell in (0..cells).rev() {
                if cell + 1 < cells {
                    change[cell] -= upper[cell] * change[cell + 1];
                }
                heads[cell] += change[cell];
            }
            if heads.iter().any(|head| !head.is_finite() || head.abs() > 1e9) {
                return None;
            }
        }
        None
    }

    /// Heat of a piece, implicit, with each face's temperature from the cell that the water comes from.
    fn move_heat(&mut self, seconds: f64, heads: &[f64], fluxes: &[f64], edges: [f64; 2]) {
        let cells = heads.len();
        // What pressure stores is water too: heat moves with all of it, or still water would change its temperature.
        let after: Vec<f64> = (0..cells).map(|cell| self.stored(cell, heads[cell])).collect();
        let half =
            |cell: usize| self.grid.height(cell) / 2.0 / self.soils[cell].conducts(self.soils[cell].water(heads[cell]));
        // Down through a face go over·T_over + under·T_under.
        let coefficients: Vec<(f64, f64)> = (0..=cells)
            .map(|face| {
                let resistance =
                    if face > 0 { half(face - 1) } else { 0.0 } + if face < cells { half(face) } else { 0.0 };
                let carried = WATER_HEAT * fluxes[face];
                (1.0 / resistance + carried.max(0.0), carried.min(0.0) - 1.0 / resistance)
            })
            .collect();
        let mut upper = vec![0.0; cells];
        let mut next = vec![0.0; cells];
        for cell in 0..cells {
            let height = self.grid.height(cell);
            let soil = &self.soils[cell];
            let old = soil.heat(self.stored(cell, self.heads[cell]));
            let (over, under) = (coefficients[cell], coefficients[cell + 1]);
            let mut diagonal = height * soil.heat(after[cell]) / seconds + under.0 - over.1;
            let mut value = height * old / seconds * self.temperatures[cell];
            if cell == 0 {
                value += over.0 * edges[0];
            } else {
                diagonal += over.0 * upper[cell - 1];
                value += over.0 * next[cell - 1];
            }
            if cell + 1 == cells {
                value -= under.1 * edges[1];
            }
            upper[cell] = under.1 / diagonal;
            next[cell] = value / diagonal;
        }
        for cell in (0..cells - 1).rev() {
            next[cell] -= upper[cell] * next[cell + 1];
        }
        let came = seconds * (coefficients[0].0 * edges[0] + coefficients[0].1 * next[0]);
        let went = seconds * (coefficients[cells].0 * next[cells - 1] + coefficients[cells].1 * edges[1]);
        self.heat.gained[0] += came - went;
        self.heat.moved[0] += came.abs() + went.abs();
        for cell in 0..cells {
            let soil = &self.soils[cell];
            let old = soil.heat(self.stored(cell, self.heads[cell])) * self.temperatures[cell];
            self.heat.stored[0] += self.grid.height(cell) * (soil.heat(after[cell]) * next[cell] - old);
        }
        self.temperatures = next;
    }

    /// Adds a piece to the balance of water.
    fn account(&mut self, seconds: f64, heads: &[f64], fluxes: &[f64]) {
        let (came, went) = (seconds * fluxes[0], seconds * fluxes[heads.len()]);
        self.water.gained[0] += came - went;
        self.water.moved[0] += came.abs() + went.abs();
        for (cell, &head) in heads.iter().enumerate() {
            let grown = self.stored(cell, head) - self.stored(cell, self.heads[cell]);
            self.water.stored[0] += self.grid.height(cell) * grown;
        }
    }
}
