//! The Prometheus text exposition format, version 0.0.4, written front to back. Pure.
//!
//! A family is its HELP and TYPE lines and then its samples; a histogram's buckets are cumulative and end with `+Inf`.

use std::fmt::Write;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds in seconds of what takes from a moment to a day.
pub const BOUNDS: [f64; 16] = [
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0,
    86_400.0,
];

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Not cumulative; what is beyond the last bound is in `count` only.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    pub fn observe(&mut self, seconds: f64) {
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// A label's name, chosen here, and its value.
pub type Label<'a> = (&'static str, &'a str);

#[derive(Debug, Default)]
pub struct Exposition(String);

/// One metric; samples are added to it.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: &mut self.0, name }
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub fn sample(&mut self, labels: &[Label<'_>], value: f64) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// All samples of a histogram.
    pub fn distribution(&mut self, labels: &[Label<'_>], of: &Histogram) -> &mut Self {
        let mut up_to = 0;
        for (bound, count) in BOUNDS.iter().zip(of.buckets) {
            up_to += count;
            self.line("_bucket", labels, Some(&bound.to_string()), up_to as f64);
        }
        self.line("_bucket", labels, Some("+Inf"), of.count as f64);
        self.line("_sum", labels, None, of.sum);
        self.line("_count", labels, None, of.count as f64);
        self
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], bound: Option<&str>, value: f64) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        for (index, (name, label)) in labels.iter().copied().chain(bound).enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.push(format_args!("{before}{name}=\"{label}\""));
        }
        let after = if labels.is_empty() && bound.is_none() { "" } else { "}" };
        self.push(format_args!("{after} {value}\n"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        self.text.write_fmt(text).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Parsed;
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_it_was_meant() {
        let mut out = Exposition::default();
        out.counter("yunying_things_total", "Things.\nOf all \\ kinds.")
            .sample(&[("kind", "a \"quoted\" \\ one\nand more")], 3.0)
            .sample(&[("kind", "")], 0.0);
        out.gauge("yunying_level", "A level.").sample(&[], -0.5);
        out.gauge("yunying_nothing", "A family without samples.");
        let mut took = Histogram::default();
        for seconds in [0.2, 1.0, 1.1, 59.0, 1e6] {
            took.observe(seconds);
        }
        out.histogram("yunying_took_seconds", "How long.")
            .distribution(&[("step", "a")], &took)
            .distribution(&[("step", "b")], &Histogram::default());
        let text = out.into_text();
        let parsed = Parsed::strictly(&text);
        assert_eq!(parsed.value("yunying_things_total", &[("kind", "a \"quoted\" \\ one\nand more")]), Some(3.0));
        assert_eq!(parsed.value("yunying_level", &[]), Some(-0.5));
        let bucket = |le| parsed.value("yunying_took_seconds_bucket", &[("step", "a"), ("le", le)]);
        assert_eq!([bucket("1"), bucket("2.5"), bucket("60")], [Some(2.0), Some(3.0), Some(4.0)]);
        assert_eq!([bucket("86400"), bucket("+Inf")], [Some(4.0), Some(5.0)]);
        assert_eq!(parsed.value("yunying_took_seconds_count", &[("step", "b")]), Some(0.0));
        assert!(parsed.value("yunying_took_seconds_sum", &[("step", "a")]).is_some_and(|sum| sum > 1e6));
    }

    #[test]
    fn the_reader_of_these_tests_refuses_what_prometheus_would() {
        let head = "# HELP a_total x\n# TYPE a_total counter\n";
        let of_histogram = "# HELP h x\n# TYPE h histogram\n";
        for wrong in [
            "a_total 1\n".to_owned(),
            format!("{head}a_total 1"),
            format!("{head}a_total -1\n"),
            format!("{head}a_total 1\na_total 1\n"),
            format!("{head}b_total 1\n"),
            format!("{head}a_total{{k=\"v}} 1\n"),
            format!("{head}{head}a_total 1\n"),
            "# HELP a x\n# TYPE a counter\na 1\n".to_owned(),
            format!("{of_histogram}h_bucket{{le=\"1\"}} 1\nh_sum 1\nh_count 1\n"),
            format!("{of_histogram}h_bucket{{le=\"1\"}} 2\nh_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n"),
            format!("{of_histogram}h_bucket{{le=\"1\"}} 1\nh_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 2\n"),
            format!(
                "{of_histogram}h_bucket{{le=\"2\"}} 1\nh_bucket{{le=\"1\"}} 1\nh_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n"
            ),
        ] {
            let read = std::panic::catch_unwind(|| Parsed::strictly(&wrong));
            assert!(read.is_err(), "taken for good:\n{wrong}");
        }
    }
}
