//! Integration tests of the neural layer.

mod fit;
mod text_cnn;
mod toy;
mod weights;
