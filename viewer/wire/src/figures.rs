//! How figures of many values are made: one way for every page and every list.

/// The value below which `part` of the sorted values lie, 0 to 1; between two of them in proportion. None of nothing.
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = part.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - at.floor()))
}

/// The middle of the values, whatever their order.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_few_values_lie_between_them() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[1.0, 3.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_middle_of_an_even_count_lies_between_its_two_middle_ones() {
        assert_eq!(median(vec![15.0, 3.0]), Some(9.0));
        assert_eq!(median(vec![15.5, 3.5, 8.5, 4.5]), Some(6.5));
        assert_eq!(median(vec![7.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![]), None);
    }
}
