//! Estimators that learn from fluxes that are known: on simulated sites, or where flux was measured.
//!
//! [`Features`] make rows of a record; a [`Learner`] fits a function from rows to flux; [`Training`] does both, and calibrates
//! intervals on stretches that were held out whole ([`Model`]). Random divisions of a time series are not offered: neighbouring
//! rows are nearly the same, and a division between them measures memory.

mod features;
mod model;
mod network;
mod ridge;
mod split;
mod training;
mod trees;

pub use features::{Features, Table};
pub(crate) use model::MODEL as MODEL_FILE;
pub use model::Model;
pub use network::{Network, NetworkKnobs, Shape};
pub use ridge::Ridge;
pub use split::{Examples, Rows, Split};
pub use training::{Site, Training};
pub use trees::{Boosting, BoostingKnobs, Forest, ForestKnobs};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Learner {
    /// Linear regression with a penalty.
    Ridge,
    /// A random forest.
    Forest,
    /// Gradient boosting.
    Boosting,
    /// A perceptron with two hidden layers.
    Mlp,
    /// Convolutions over time.
    Cnn,
    /// A recurrent network over time, in both directions unless it has to be causal.
    Lstm,
}

impl Learner {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ridge, Self::Forest, Self::Boosting, Self::Mlp, Self::Cnn, Self::Lstm];

    /// The learner's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ridge => "ridge",
            Self::Forest => "forest",
            Self::Boosting => "boosting",
            Self::Mlp => "mlp",
            Self::Cnn => "cnn",
            Self::Lstm => "lstm",
        }
    }

    /// Whether it is a network.
    pub fn is_deep(self) -> bool {
        matches!(self, Self::Mlp | Self::Cnn | Self::Lstm)
    }

    /// Whether it looks at rows around each row by itself, and needs no lags.
    fn sees_around(self) -> bool {
        matches!(self, Self::Cnn | Self::Lstm)
    }
}
