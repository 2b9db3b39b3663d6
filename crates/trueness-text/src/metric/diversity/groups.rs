//! Random groups of sentences for the jackknife.

use crate::error::{Error, Result};
use rand::seq::SliceRandom;
use trueness_core::Seed;

/// A group number for each of `n` sentences: groups as equal in size as can be, drawn at random, since
/// the sentences of a file may be ordered. Fewer groups where there are fewer sentences.
pub(in crate::metric) fn random_groups(n: usize, groups: usize, seed: Seed) -> Vec<usize> {
    let groups = groups.clamp(1, n.max(1));
    let mut group: Vec<usize> = (0..n).map(|i| i % groups).collect();
    group.shuffle(&mut seed.rng());
    group
}

/// As [`random_groups`], and how many groups there are.
///
/// # Errors
/// If there are fewer than two sentences or two groups, since nothing could be left out.
pub(super) fn jackknife_groups(what: &str, n: usize, groups: usize, seed: Seed) -> Result<(Vec<usize>, usize)> {
    if n < 2 || groups < 2 {
        return Err(Error::Input(format!(
            "{what} needs at least 2 sentences and 2 groups for its interval, got {n} and {groups}"
        )));
    }
    Ok((random_groups(n, groups, seed.child(what)), groups.min(n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_as_equal_as_can_be() {
        let group = random_groups(23, 5, Seed::new(1));
        let sizes: Vec<usize> = (0..5).map(|g| group.iter().filter(|&&other| other == g).count()).collect();
        assert_eq!(sizes, [5, 5, 5, 4, 4]);
        assert_eq!(jackknife_groups("x", 3, 20, Seed::new(1)).unwrap().1, 3);
        assert!(jackknife_groups("x", 1, 20, Seed::new(1)).unwrap_err().to_string().contains("got 1 and 20"));
    }
}
