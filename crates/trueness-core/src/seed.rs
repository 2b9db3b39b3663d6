//! Seeds: a pure tree of counter-based random streams.
//!
//! A seed is a 256-bit key. A child is the key hashed with a label, so that a stream depends on the
//! path of labels from the root alone, never on the order in which streams were taken or on threads.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator that every stream of the workspace uses: ChaCha with eight rounds.
pub type Rng = ChaCha8Rng;

/// The largest root seed plus one. Every root below it survives a trip through a JSON number.
pub const SEED_LIMIT: u64 = 1 << 53;

/// A node in the tree of random streams.
///
/// ```
/// use rand::RngExt;
/// use trueness_core::Seed;
///
/// let seed = Seed::new(7);
/// let mut a = seed.child("generator/init").rng();
/// let mut b = Seed::new(7).child("generator/init").rng();
/// assert_eq!(a.random::<u64>(), b.random::<u64>());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seed {
    key: [u8; 32],
}

impl Seed {
    /// The root of the tree for a number. Numbers from [`SEED_LIMIT`] on are valid here, but the
    /// command line refuses them, because JSON numbers could not carry them.
    pub fn new(root: u64) -> Self {
        Self { key: *blake3::keyed_hash(b"trueness: root of a seed's tree.", &root.to_le_bytes()).as_bytes() }
    }

    /// The child with a label, for example `"generator/init"`.
    pub fn child(&self, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"label:").update(label.as_bytes());
        Self { key: *hasher.finalize().as_bytes() }
    }

    /// The child with a number, for the i-th of many like pieces of work.
    pub fn nth(&self, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"index:").update(&index.to_le_bytes());
        Self { key: *hasher.finalize().as_bytes() }
    }

    /// The stream of this node, from its beginning.
    pub fn rng(&self) -> Rng {
        ChaCha8Rng::from_seed(self.key)
    }

    /// A number below [`SEED_LIMIT`] for a library that wants an integer seed.
    pub fn to_u53(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.key[..8]);
        u64::from_le_bytes(bytes) % SEED_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_depend_on_the_path_alone() {
        let root = Seed::new(1);
        assert_eq!(root.child("a").child("b"), root.child("a").child("b"));
        assert_ne!(root.child("a").child("b"), root.child("b").child("a"));
        assert_ne!(root.child("ab"), root.child("a").child("b"));
        assert_ne!(root.nth(0), root.child("0"));
        assert_ne!(Seed::new(1), Seed::new(2));
        assert!(root.to_u53() < SEED_LIMIT);
    }

    #[test]
    fn uniform_draws_have_the_mean_of_uniform_draws() {
        let mut rng = Seed::new(3).rng();
        let n = 100_000;
        let mean = (0..n).map(|_| rng.random::<f64>()).sum::<f64>() / f64::from(n);
        // The standard error of the mean of n uniform draws is 1/sqrt(12 n).
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * f64::from(n)).sqrt());
    }
}
