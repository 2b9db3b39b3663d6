//! Water and heat in a vertical section of saturated ground, by finite volumes.
//!
//! ∇·(K∇h) = 0 with K = kρg/μ(T) gives the flux; ρc·∂T/∂t = ∇·(Λ∇T) − ρ_w c_w·∇·(qT) moves the heat, with
//! Λᵢⱼ = λδᵢⱼ + ρ_w c_w[α_T|q|δᵢⱼ + (α_L − α_T)qᵢqⱼ/|q|]. A section that is one cell wide, or alike across, is a
//! [`Columns`](super::Columns) driven by heads.

use super::heads::conductivity;
use super::{Grid, Scheme, Stepping};
use crate::medium::{Medium, WATER_HEAT};
use crate::{Error, Result};
use faer::prelude::Solve;
use faer::sparse::{SparseColMat, Triplet};

/// The ground of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ground {
    /// How it stores and conducts heat; its dispersivity is the longitudinal one, α_L.
    pub medium: Medium,
    /// Thermal dispersivity across the flow α_T, in m.
    pub transverse: f64,
    /// Permeability in m², across and down.
    pub permeability: [f64; 2],
}

/// What happens at a side of a section, face by face: from left to right, or from the top down.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// Neither water nor heat crosses it.
    Closed,
    /// Heads in m and temperatures in °C.
    Open {
        /// Heads of the faces.
        head: Vec<f64>,
        /// Temperatures of the faces.
        temperature: Vec<f64>,
    },
    /// Darcy flux into the section in m/s, and temperatures in °C.
    Fed {
        /// Flux through the faces, positive into the section.
        flux: Vec<f64>,
        /// Temperatures of the faces.
        temperature: Vec<f64>,
    },
}

impl Side {
    fn temperature(&self) -> Option<&[f64]> {
        match self {
            Self::Closed => None,
            Self::Open { temperature, .. } | Self::Fed { temperature, .. } => Some(temperature),
        }
    }
}

/// The four sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// The upper side, from left to right.
    pub top: Side,
    /// The lower side, from left to right.
    pub bottom: Side,
    /// The left side, from the top down.
    pub left: Side,
    /// The right side, from the top down.
    pub right: Side,
}

impl Sides {
    fn each(&self) -> [(&'static str, &Side); 4] {
        [("top", &self.top), ("bottom", &self.bottom), ("left", &self.left), ("right", &self.right)]
    }
}

/// Darcy flux through the faces, in m/s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// Through the faces between columns, positive to the right: row by row, one more than columns.
    pub across: Vec<f64>,
    /// Through the faces between rows, positive downward: face row by face row, one value a column.
    pub down: Vec<f64>,
}

/// A vertical section with its temperatures.
#[derive(Clone, Debug)]
pub struct Section {
    across: Grid,
    down: Grid,
    scheme: Scheme,
    stepping: Stepping,
    ground: Vec<Ground>,
    temperatures: Vec<f64>,
    steps: u64,
    /// Heat in J/m of section: gained through the sides, stored, moved through the sides in either direction.
    heat: [f64; 3],
}

/// A face: its cells (or the side's value), and the heat flux in W/m through it as `first`·T_first + `second`·T_second + `rest`.
struct Face {
    cells: [Option<usize>; 2],
    factors: [f64; 2],
    /// The side's values at the begin and at the end.
    given: [f64; 2],
    /// The dispersive flux that gradients along the face drive, of the step's begin.
    rest: f64,
}

impl Section {
    /// A section of cells between the faces of two grids: `ground(column, row)`, `start(distance, depth)` in °C.
    ///
    /// # Errors
    /// [`Error::Input`] for values out of their range, naming the cell.
    pub fn new(
        across: Grid,
        down: Grid,
        ground: impl Fn(usize, usize) -> Ground,
        start: impl Fn(f64, f64) -> f64,
    ) -> Result<Self> {
        let (columns, rows) = (across.cells(), down.cells());
        let (mut all, mut temperatures) = (Vec::with_capacity(rows * columns), Vec::with_capacity(rows * columns));
        for row in 0..rows {
            for column in 0..columns {
                let at = |what: String| Error::Input(format!("column {column}, row {row}: {what}"));
                let ground = ground(column, row);
                ground.medium.checked().map_err(|error| at(error.to_string()))?;
                let Ground { transverse, permeability, .. } = ground;
                if !(transverse >= 0.0 && transverse <= ground.medium.dispersivity) {
                    let most = ground.medium.dispersivity;
                    return Err(at(format!(
                        "transverse dispersivity: expected 0 to the longitudinal one, {most} m, got {transverse}"
                    )));
                }
                if let Some(k) = permeability.iter().find(|k| !(**k > 0.0 && k.is_finite())) {
                    return Err(at(format!("permeability: expected m² above 0, got {k}")));
                }
                let temperature = start(across.centre(column), down.centre(row));
                if !temperature.is_finite() {
                    return Err(at(format!("temperature: expected °C, got {temperature}")));
                }
                all.push(ground);
                temperatures.push(temperature);
            }
        }
        Ok(Self {
            across,
            down,
            scheme: Scheme::default(),
            stepping: Stepping::default(),
            ground: all,
            temperatures,
            steps: 0,
            heat: [0.0; 3],
        })
    }

    /// Chooses the scheme of what flows with the water: central or upwind.
    ///
    /// # Errors
    /// [`Error::Input`] for [`Scheme::Tvd`], which sections do not have.
    pub fn with_scheme(mut self, scheme: Scheme) -> Result<Self> {
        if scheme == Scheme::Tvd {
            return Err(Error::Input("a section's scheme: expected central or upwind, got TVD".to_owned()));
        }
        self.scheme = scheme;
        Ok(self)
    }

    /// Chooses how steps are made.
    #[must_use]
    pub fn with_stepping(mut self, stepping: Stepping) -> Self {
        self.stepping = stepping;
        self
    }

    /// The temperatures in °C, row by row.
    pub fn temperatures(&self) -> &[f64] {
        &self.temperatures
    }

    /// What heat is missing, as a share of all heat that crossed a side; 0 before the first step.
    pub fn heat_error(&self) -> f64 {
        let [gained, stored, moved] = self.heat;
        if moved > 0.0 { (gained - stored).abs() / moved } else { 0.0 }
    }

    /// The water that is missing in any cell, as a share of the largest flux: how well heads were solved for.
    pub fn water_error(&self, flow: &Flow) -> f64 {
        let (columns, rows) = (self.across.cells(), self.down.cells());
        let mut worst = 0.0_f64;
        let mut most = f64::MIN_POSITIVE;
        for row in 0..rows {
            for column in 0..columns {
                let [left, right] = [0, 1].map(|side| flow.across[row * (columns + 1) + column + side]);
                let [over, under] = [0, 1].map(|side| flow.down[(row + side) * columns + column]);
                let (width, height) = (self.across.height(column), self.down.height(row));
                worst = worst.max(((left - right) * height + (over - under) * width).abs());
                most = most.max((left.abs() + right.abs()) * height + (over.abs() + under.abs()) * width);
            }
        }
        worst / most
    }

    /// The flux that the sides drive at the temperatures the section has now.
    ///
    /// # Errors
    /// [`Error::Input`] for values that are not one a face, not finite, or sides without any head.
    pub fn flow(&self, sides: &Sides) -> Result<Flow> {
        self.check(sides)?;
        if !sides.each().iter().any(|(_, side)| matches!(side, Side::Open { .. })) {
            return Err(Error::Input("sides: expected a head on at least one of them, got none".to_owned()));
        }
        let n = self.temperatures.len();
        let (columns, rows) = (self.across.cells(), self.down.cells());
        let hydraulic =
            |cell: usize, way: usize| conductivity(self.ground[cell].permeability[way], self.temperatures[cell]);
        let (mut entries, mut right) = (Entries::default(), vec![0.0; n]);
        let mut links = Vec::new();
        self.each_face(|way, cells, place| {
            let (length, half) = self.measures(way, cells);
            let resistance = |side: usize| cells[side].map_or(0.0, |cell| half[side] / hydraulic(cell, way));
            let conductance = length / (resistance(0) + resistance(1));
            match cells {
                [Some(a), Some(b)] => {
                    entries.link(a, b, conductance);
                    links.push((way, cells, conductance / length, 0.0));
                }
                [cell_before, cell_after] => {
                    let inward = if cell_before.is_none() { 1.0 } else { -1.0 };
                    let Some(cell) = cell_before.or(cell_after) else { return };
                    match side_of(sides, way, cell_before.is_none()) {
                        Side::Closed => links.push((way, cells, 0.0, 0.0)),
                        Side::Open { head, .. } => {
                            entries.0.push(Triplet::new(cell, cell, conductance));
                            right[cell] += conductance * head[place];
                            links.push((way, cells, conductance / length, head[place]));
                        }
                        Side::Fed { flux, .. } => {
                            right[cell] += flux[place] * length;
                            links.push((way, cells, f64::NAN, inward * flux[place]));
                        }
                    }
                }
            }
        });
        let heads = entries.solve(right)?;
        let mut flow =
            Flow { across: Vec::with_capacity(rows * (columns + 1)), down: Vec::with_capacity((rows + 1) * columns) };
        for (way, cells, per_area, value) in links {
            let head = |side: usize| cells[side].map_or(value, |cell| heads[cell]);
            let flux = if per_area.is_nan() { value } else { per_area * (head(0) - head(1)) };
            if way == 0 { flow.across.push(flux) } else { flow.down.push(flux) }
        }
        Ok(flow)
    }

    /// Moves on by `seconds`, with the sides at the begin and at the end of the step: the flux is that of their mean heads at the
    /// temperatures of the begin. Gives that flux.
    ///
    /// # Errors
    /// As [`Section::flow`], for a step of 0 or less, or sides whose kinds differ between begin and end; nothing has moved.
    pub fn step(&mut self, seconds: f64, sides: [&Sides; 2]) -> Result<Flow> {
        if !(seconds > 0.0 && seconds.is_finite()) {
            return Err(Error::Input(format!("step: expected seconds above 0, got {seconds}")));
        }
        self.check(sides[0])?;
        self.check(sides[1])?;
        let middle = between(sides)?;
        let flow = self.flow(&middle)?;
        match self.stepping {
            Stepping::Implicit => self.advance(seconds, 1.0, sides, &flow)?,
            Stepping::CrankNicolson { damped } if self.steps < u64::from(damped) => {
                self.advance(seconds / 2.0, 1.0, [sides[0], &middle], &flow)?;
                self.advance(seconds / 2.0, 1.0, [&middle, sides[1]], &flow)?;
            }
            Stepping::CrankNicolson { .. } => self.advance(seconds, 0.5, sides, &flow)?,
        }
        self.steps += 1;
        Ok(flow)
    }

    fn check(&self, sides: &Sides) -> Result<()> {
        for (name, side) in sides.each() {
            let faces = if matches!(name, "top" | "bottom") { self.across.cells() } else { self.down.cells() };
            let given: [(&str, &[f64]); 2] = match side {
                Side::Closed => continue,
                Side::Open { head, temperature } => [("head", head), ("temperature", temperature)],
                Side::Fed { flux, temperature } => [("flux", flux), ("temperature", temperature)],
            };
            for (what, values) in given {
                if values.len() != faces || values.iter().any(|x| !x.is_finite()) {
                    return Err(Error::Input(format!(
                        "{what} at the {name}: expected {faces} finite values, one a face, got {values:?}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Every face with its way (0 across, 1 down), its cells and its place along the side: row by row, then down.
    fn each_face(&self, mut of: impl FnMut(usize, [Option<usize>; 2], usize)) {
        let (columns, rows) = (self.across.cells(), self.down.cells());
        for row in 0..rows {
            for face in 0..=columns {
                let cell = |column: usize| row * columns + column;
                of(0, [face.checked_sub(1).map(cell), (face < columns).then(|| cell(face))], row);
            }
        }
        for face in 0..=rows {
            for column in 0..columns {
                let cell = |row: usize| row * columns + column;
                of(1, [face.checked_sub(1).map(cell), (face < rows).then(|| cell(face))], column);
            }
        }
    }

    /// The length of a face, and how far its cells' centres are.
    fn measures(&self, way: usize, cells: [Option<usize>; 2]) -> (f64, [f64; 2]) {
        let columns = self.across.cells();
        let size = |cell: usize, way: usize| {
            if way == 0 { self.across.height(cell % columns) } else { self.down.height(cell / columns) }
        };
        let length = cells[0].or(cells[1]).map_or(0.0, |cell| size(cell, 1 - way));
        (length, cells.map(|cell| cell.map_or(0.0, |cell| size(cell, way) / 2.0)))
    }

    /// The mean flux along a face, of the faces of its cells.
    fn along(&self, way: usize, cells: [Option<usize>; 2], flow: &Flow) -> f64 {
        let columns = self.across.cells();
        let (mut sum, mut n) = (0.0, 0.0);
        for cell in cells.into_iter().flatten() {
            let (row, column) = (cell / columns, cell % columns);
            sum += match way {
                0 => flow.down[cell] + flow.down[cell + columns],
                _ => {
                    let first = row * (columns + 1) + column;
                    flow.across[first] + flow.across[first + 1]
                }
            };
            n += 2.0;
        }
        sum / f64::max(n, 1.0)
    }

    /// The slope of the temperatures along an inner face, in K/m, as the mean of its cells'.
    fn slope(&self, way: usize, cells: [usize; 2]) -> f64 {
        let columns = self.across.cells();
        let (grid, stride) = if way == 0 { (&self.down, columns) } else { (&self.across, 1) };
        let last = grid.cells() - 1;
        let of = |cell: usize| {
            let place = if way == 0 { cell / columns } else { cell % columns };
            let (before, after) = (place.saturating_sub(1), (place + 1).min(last));
            if before == after {
                return 0.0;
            }
            let at = |other: usize| self.temperatures[cell + other * stride - place * stride];
            (at(after) - at(before)) / (grid.centre(after) - grid.centre(before))
        };
        f64::midpoint(of(cells[0]), of(cells[1]))
    }

    fn faces(&self, sides: [&Sides; 2], flow: &Flow) -> Vec<Face> {
        let mut faces = Vec::new();
        let (mut across, mut down) = (flow.across.iter(), flow.down.iter());
        self.each_face(|way, cells, place| {
            let next = if way == 0 { across.next() } else { down.next() };
            let normal = next.copied().unwrap_or(0.0);
            let (length, half) = self.measures(way, cells);
            let along = self.along(way, cells, flow);
            let size = normal.hypot(along);
            let carried = WATER_HEAT * normal;
            // A face without flow along it takes the longitudinal dispersivity as it stands, as columns do.
            let dispersivity = |cell: usize| {
                let (long, wide) = (self.ground[cell].medium.dispersivity, self.ground[cell].transverse);
                match along == 0.0 {
                    true => long * normal.abs(),
                    false => wide * size + (long - wide) * normal * normal / size,
                }
            };
            let resistance = |side: usize| {
                cells[side].map_or(0.0, |cell| {
                    half[side] / (self.ground[cell].medium.conductivity + WATER_HEAT * dispersivity(cell))
                })
            };
            let conducted = 1.0 / (resistance(0) + resistance(1));
            let upwind = f64::from(u8::from(normal > 0.0));
            let (share, given, rest) = match cells {
                [Some(a), Some(b)] => {
                    let share = match self.scheme {
                        Scheme::Central => half[1] / (half[0] + half[1]),
                        Scheme::Upwind | Scheme::Tvd => upwind,
                    };
                    let mixed = |cell: usize| self.ground[cell].medium.dispersivity - self.ground[cell].transverse;
                    let mixed = match size > 0.0 {
                        true => f64::midpoint(mixed(a), mixed(b)) * normal * along / size,
                        false => 0.0,
                    };
                    let rest = if mixed == 0.0 { 0.0 } else { -WATER_HEAT * mixed * self.slope(way, [a, b]) };
                    (share, [0.0; 2], rest)
                }
                _ => {
                    let first = cells[0].is_none();
                    let at = |sides: &Sides| side_of(sides, way, first).temperature().map(|values| values[place]);
                    let (Some(begin), Some(end)) = (at(sides[0]), at(sides[1])) else {
                        faces.push(Face { cells, factors: [0.0; 2], given: [0.0; 2], rest: 0.0 });
                        return;
                    };
                    // The face's temperature is the side's.
                    let share = if self.scheme == Scheme::Upwind { upwind } else { f64::from(u8::from(first)) };
                    (share, [begin, end], 0.0)
                }
            };
            let factors = [conducted + carried * share, carried * (1.0 - share) - conducted].map(|x| x * length);
            faces.push(Face { cells, factors, given, rest: rest * length });
        });
        faces
    }

    fn advance(&mut self, seconds: f64, theta: f64, sides: [&Sides; 2], flow: &Flow) -> Result<()> {
        let columns = self.across.cells();
        let faces = self.faces(sides, flow);
        let volume = |cell: usize| self.across.height(cell % columns) * self.down.height(cell / columns);
        let inertia: Vec<f64> =
            (0..self.temperatures.len()).map(|cell| self.ground[cell].medium.heat * volume(cell) / seconds).collect();
        let mut entries = Entries::default();
        let mut right: Vec<f64> = inertia.iter().zip(&self.temperatures).map(|(heat, old)| heat * old).collect();
        for (cell, heat) in inertia.iter().enumerate() {
            entries.0.push(Triplet::new(cell, cell, *heat));
        }
        let value =
            |face: &Face, side: usize, end: usize, t: &[f64]| face.cells[side].map_or(face.given[end], |cell| t[cell]);
        let through = |face: &Face, end: usize, t: &[f64]| {
            face.factors[0] * value(face, 0, end, t) + face.factors[1] * value(face, 1, end, t)
        };
        for face in &faces {
            let known = (1.0 - theta) * through(face, 0, &self.temperatures) + face.rest;
            for (side, sign) in [(0, -1.0), (1, 1.0)] {
                let Some(cell) = face.cells[side] else { continue };
                right[cell] += sign * known;
                for other in 0..2 {
                    let factor = sign * theta * face.factors[other];
                    match face.cells[other] {
                        Some(neighbour) => entries.0.push(Triplet::new(cell, neighbour, -factor)),
                        None => right[cell] += factor * face.given[1],
                    }
                }
            }
        }
        let next = entries.solve(right)?;
        for face in faces.iter().filter(|face| face.cells.contains(&None)) {
            let inward = if face.cells[0].is_none() { 1.0 } else { -1.0 };
            let heat = theta * through(face, 1, &next) + (1.0 - theta) * through(face, 0, &self.temperatures);
            self.heat[0] += inward * heat * seconds;
            self.heat[2] += heat.abs() * seconds;
        }
        let stored =
            inertia.iter().zip(next.iter().zip(&self.temperatures)).map(|(heat, (new, old))| heat * (new - old));
        self.heat[1] += seconds * stored.sum::<f64>();
        self.temperatures = next;
        Ok(())
    }
}

fn side_of(sides: &Sides, way: usize, first: bool) -> &Side {
    match (way, first) {
        (0, true) => &sides.left,
        (0, false) => &sides.right,
        (_, true) => &sides.top,
        (_, false) => &sides.bottom,
    }
}

/// The mean of two states of the sides.
fn between(sides: [&Sides; 2]) -> Result<Sides> {
    let mean = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| f64::midpoint(*a, *b)).collect::<Vec<f64>>();
    let of = |name: &str, begin: &Side, end: &Side| match (begin, end) {
        (Side::Closed, Side::Closed) => Ok(Side::Closed),
        (Side::Open { head: a, temperature: s }, Side::Open { head: b, temperature: t }) => {
            Ok(Side::Open { head: mean(a, b), temperature: mean(s, t) })
        }
        (Side::Fed { flux: a, temperature: s }, Side::Fed { flux: b, temperature: t }) => {
            Ok(Side::Fed { flux: mean(a, b), temperature: mean(s, t) })
        }
        _ => Err(Error::Input(format!("the {name}: expected the same kind of side at begin and end of a step"))),
    };
    let [begin, end] = sides;
    Ok(Sides {
        top: of("top", &begin.top, &end.top)?,
        bottom: of("bottom", &begin.bottom, &end.bottom)?,
        left: of("left", &begin.left, &end.left)?,
        right: of("right", &begin.right, &end.right)?,
    })
}

/// A sparse matrix that is being gathered.
#[derive(Default)]
struct Entries(Vec<Triplet<usize, usize, f64>>);

impl Entries {
    fn link(&mut self, a: usize, b: usize, conductance: f64) {
        for (row, column, sign) in [(a, a, 1.0), (b, b, 1.0), (a, b, -1.0), (b, a, -1.0)] {
            self.0.push(Triplet::new(row, column, sign * conductance));
        }
    }

    fn solve(self, right: Vec<f64>) -> Result<Vec<f64>> {
        let n = right.len();
        let failed = |what: String| Error::Input(format!("the section's equations have no solution: {what}"));
        let matrix =
            SparseColMat::try_new_from_triplets(n, n, &self.0).map_err(|error| failed(format!("{error:?}")))?;
        let factors = matrix.sp_lu().map_err(|error| failed(format!("{error:?}")))?;
        let mut solved = faer::Col::from_fn(n, |i| right[i]);
        factors.solve_in_place(solved.as_mut());
        let solved: Vec<f64> = solved.iter().copied().collect();
        match solved.iter().all(|x| x.is_finite()) {
            true => Ok(solved),
            false => Err(failed("values that are not finite".to_owned())),
        }
    }
}
