//! Batches of sequences that differ in length.

/// Divides sequences of the given lengths into batches of at most `positions` positions each, padding counted,
/// sequences of like length together so that little padding is computed. A sequence that is longer than that has
/// a batch to itself. Each sequence has one position more than its length, for its beginning or its end.
pub fn batches_by_length(lengths: &[usize], positions: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| lengths[i]);
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while let Some(&first) = rest.first() {
        let mut n = (positions / (lengths[first] + 1)).clamp(1, rest.len());
        // The last of them is the longest.
        while n > 1 && n * (lengths[rest[n - 1]] + 1) > positions {
            n -= n.div_ceil(8).min(n - 1);
        }
        let (now, later) = rest.split_at(n);
        batches.push(now.to_vec());
        rest = later;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sequence_has_one_place_and_batches_keep_within_their_positions(
            lengths in prop::collection::vec(0usize..60, 0..80),
            positions in 1usize..300,
        ) {
            let batches = batches_by_length(&lengths, positions);
            let mut all = batches.concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..lengths.len()));
            for batch in &batches {
                let longest = batch.iter().map(|&i| lengths[i] + 1).max().unwrap_or(0);
                prop_assert!(batch.len() == 1 || batch.len() * longest <= positions);
            }
        }
    }
}
