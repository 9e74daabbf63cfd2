//! Letters on the edges of an image: which way the patient lies (PS3.3 C.7.6.1.1.1, C.7.6.2.1.1).

use wire::ImageAttrs;

/// Letters for the right and the bottom edge of the image as stored; the opposite edges carry the opposites.
///
/// From the direction cosines where there are any, else what the device wrote into Patient Orientation.
pub fn right_and_bottom(attrs: &ImageAttrs) -> Option<(String, String)> {
    if let Some(c) = attrs.orientation {
        let (row, column) = (direction([c[0], c[1], c[2]]), direction([c[3], c[4], c[5]]));
        return (!row.is_empty() && !column.is_empty()).then_some((row, column));
    }
    let mut said = attrs.patient_orientation.split('\\').map(str::trim);
    let (row, column) = (said.next()?, said.next()?);
    let known = |s: &str| !s.is_empty() && s.chars().all(|c| "LRAPHF".contains(c));
    (known(row) && known(column)).then(|| (row.to_owned(), column.to_owned()))
}

/// The letters of the opposite direction.
pub fn opposite(letters: &str) -> String {
    letters
        .chars()
        .map(|c| match c {
            'L' => 'R',
            'R' => 'L',
            'A' => 'P',
            'P' => 'A',
            'H' => 'F',
            'F' => 'H',
            other => other,
        })
        .collect()
}

/// Letters of a direction in patient coordinates (x to the left, y to the back, z to the head), the strongest first; parts
/// below about 12 degrees are left out.
fn direction([x, y, z]: [f64; 3]) -> String {
    const SAID: f64 = 0.2;
    let mut parts = [(x, 'L', 'R'), (y, 'P', 'A'), (z, 'H', 'F')];
    parts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    parts.iter().filter(|(v, ..)| v.abs() > SAID).map(|&(v, plus, minus)| if v > 0.0 { plus } else { minus }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::attrs;

    #[test]
    fn an_axial_slice_has_the_patients_left_on_the_right() {
        let mut a = attrs(1, 1, 16);
        a.orientation = Some([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(right_and_bottom(&a), Some(("L".into(), "P".into())));
        assert_eq!((opposite("L"), opposite("AF")), ("R".into(), "PH".into()));
    }

    #[test]
    fn a_tilted_plane_names_both_directions() {
        let mut a = attrs(1, 1, 16);
        a.orientation = Some([0.0, 0.9, -0.43, 0.0, -0.43, -0.9]);
        assert_eq!(right_and_bottom(&a), Some(("PF".into(), "FA".into())));
    }

    #[test]
    fn a_projection_says_what_the_device_wrote_or_nothing() {
        let mut a = attrs(1, 1, 16);
        a.patient_orientation = "L\\F".into();
        assert_eq!(right_and_bottom(&a), Some(("L".into(), "F".into())));
        a.patient_orientation = "L".into();
        assert_eq!(right_and_bottom(&a), None);
        a.patient_orientation = "X\\Y".into();
        assert_eq!(right_and_bottom(&a), None);
    }
}
