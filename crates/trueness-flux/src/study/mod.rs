//! Studies of this toolkit.

mod exchange;
pub(crate) mod score;

pub use exchange::{EXCHANGE, Exchange, ExchangeKnobs, ExchangeUnit};
