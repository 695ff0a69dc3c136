//! A reader of `OpenMetrics`, as strict as its text format is (version 1.0.0). This file does not know
//! which metrics there are.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a sample.
pub type Labels = BTreeMap<String, String>;

/// A metric family.
#[derive(Debug)]
pub struct Family {
    /// Without what its type adds.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it means.
    pub help: String,
    /// Each sample, by its whole name and its labels.
    pub samples: Vec<(String, Labels, f64)>,
}

/// Everything that was told.
#[derive(Debug)]
pub struct Exposition {
    /// Every family, in order.
    pub families: Vec<Family>,
}

impl Exposition {
    /// Reads a whole answer.
    ///
    /// # Panics
    ///
    /// If it is not to the letter.
    pub fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the end is told");
        let mut families: Vec<Family> = Vec::new();
        let mut names = BTreeSet::new();
        let mut lines = body.split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            let line = line.strip_suffix('\n').expect("a line ends");
            let (name, help) = line
                .strip_prefix("# HELP ")
                .and_then(|rest| rest.split_once(' '))
                .unwrap_or_else(|| panic!("no family begins: {line}"));
            assert!(is_name(name), "no name: {line}");
            assert!(names.insert(name.to_owned()), "twice: {line}");
            assert!(!help.is_empty() && !help.contains('\\'), "no help: {line}");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let kind = kind.and_then(|rest| rest.trim_end().strip_prefix(name)).expect("a type");
            let kind = kind.trim_start().to_owned();
            assert!(["counter", "gauge", "histogram"].contains(&&*kind), "{name} is a {kind}");
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(sample(line.strip_suffix('\n').expect("a line ends")));
            }
            let family = Family { name: name.to_owned(), kind, help: help.to_owned(), samples };
            family.check();
            families.push(family);
        }
        Self { families }
    }

    /// The family of this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn family(&self, name: &str) -> &Family {
        let found = self.families.iter().find(|family| family.name == name);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The value of the sample with this whole name and these labels.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |of: &Labels| {
            labels.iter().all(|(label, is)| of.get(*label).is_some_and(|value| value == is))
        };
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let mut found = samples.filter(|(whole, of, _)| whole == name && has(of));
        let (_, _, value) = found.next().unwrap_or_else(|| panic!("there is no {name} {labels:?}"));
        assert!(found.next().is_none(), "{name} {labels:?} is not one sample");
        *value
    }
}

impl Family {
    fn check(&self) {
        let Self { name, kind, samples, .. } = self;
        let mut seen = BTreeSet::new();
        for (whole, labels, value) in samples {
            assert!(seen.insert((whole, labels)), "{whole} {labels:?} twice");
            let suffix = whole.strip_prefix(name.as_str()).expect("a sample of its family");
            let fits = match &**kind {
                "counter" => suffix == "_total" && *value >= 0.0,
                "gauge" => suffix.is_empty(),
                _ => match suffix {
                    "_bucket" => labels.contains_key("le"),
                    "_sum" | "_count" => *value >= 0.0,
                    _ => false,
                },
            };
            assert!(fits && value.is_finite(), "{whole} {labels:?} {value} in a {kind}");
        }
        if kind == "histogram" {
            self.check_buckets();
        }
    }

    fn check_buckets(&self) {
        let buckets: Vec<(f64, f64)> = self
            .samples
            .iter()
            .filter_map(|(_, labels, value)| Some((bound(labels.get("le")?), *value)))
            .collect();
        let grow = buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
        let last = buckets.last().expect("a histogram has buckets");
        let count = self.samples.iter().find(|(whole, _, _)| whole.ends_with("_count"));
        let (_, _, count) = count.expect("a histogram has a count");
        let is_whole = last.0 == f64::INFINITY && (last.1 - count).abs() < 0.5;
        assert!(grow && is_whole, "{} has buckets {buckets:?} of {count}", self.name);
    }
}

fn bound(text: &str) -> f64 {
    if text == "+Inf" { f64::INFINITY } else { text.parse().expect("a bound is a number") }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// A name, its labels if it has any, and a value.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, labels)) = series.split_once('{') else {
        assert!(is_name(series), "no name: {line}");
        return (series.to_owned(), Labels::new(), value);
    };
    assert!(is_name(name), "no name: {line}");
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
    let mut found = Labels::new();
    for pair in labels.split(',') {
        let (label, quoted) = pair.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
        let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let text = text.unwrap_or_else(|| panic!("no quotes: {line}"));
        // Nothing that is told here needs to be escaped.
        assert!(is_name(label) && !text.contains(['"', '\\', '{']), "no label: {line}");
        assert!(found.insert(label.to_owned(), text.to_owned()).is_none(), "twice: {line}");
    }
    (name.to_owned(), found, value)
}
