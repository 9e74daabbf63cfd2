//! The one table of figures and ratios.

/// Which way a figure should go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    MoreIsBetter,
    LessIsBetter,
}

#[derive(Default)]
pub struct Table {
    lines: Vec<String>,
}

impl Table {
    /// Medians of both, and how many times better ours is; `theirs` may be empty.
    pub fn add(&mut self, what: &str, unit: &str, figure: Figure, ours: &[f64], theirs: &[f64]) {
        let (our, their) = (median(ours), median(theirs));
        let ratio = our.zip(their).map(|(our, their)| match figure {
            Figure::MoreIsBetter => our / their,
            Figure::LessIsBetter => their / our,
        });
        self.lines.push(format!(
            "{what:<44} {:>12} {:>12} {:>8}",
            shown(our, unit),
            shown(their, unit),
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"))
        ));
    }

    /// Medians of ours and of what the machine can do at all, and our share of it.
    pub fn add_limit(&mut self, what: &str, unit: &str, ours: &[f64], limit: &[f64]) {
        let share = median(ours).zip(median(limit)).map(|(our, limit)| our / limit * 100.0);
        self.lines.push(format!(
            "{what:<44} {:>12} {:>12} {:>8}",
            shown(median(ours), unit),
            shown(median(limit), unit),
            share.map_or("-".to_owned(), |share| format!("{share:.0} %"))
        ));
    }

    /// A figure that no peer has.
    pub fn add_own(&mut self, what: &str, unit: &str, value: f64) {
        self.add(what, unit, Figure::LessIsBetter, &[value], &[]);
    }

    pub fn print(&self) {
        println!(
            "\n{:<44} {:>12} {:>12} {:>8}",
            "medians of interleaved rounds; beside: Orthanc", "Yunying", "beside", "ratio"
        );
        println!("{}", "-".repeat(79));
        for line in &self.lines {
            println!("{line}");
        }
    }
}

fn shown(value: Option<f64>, unit: &str) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1} {unit}"))
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_means_faster_whatever_the_unit() {
        let mut table = Table::default();
        table.add("rate", "/s", Figure::MoreIsBetter, &[200.0, 300.0, 250.0], &[100.0]);
        table.add("wait", "ms", Figure::LessIsBetter, &[5.0, 15.0], &[20.0]);
        assert!(table.lines[0].ends_with("2.50x") && table.lines[1].ends_with("2.00x"), "{:?}", table.lines);
    }
}
