//! What is counted, written down as `OpenMetrics`. This file does not know who counts, nor which
//! numbers there are.

mod edge;
mod families;
mod figures;

use std::borrow::Cow;
use std::fmt::{Error, Write as _};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use roundtable::CloseCode;

use crate::admin::Report;
use edge::Process;
use families::FAMILIES;

pub use edge::Edge;
pub(crate) use edge::resident_bytes;
pub use figures::{Figures, Histogram, Measured};

/// The media type of what [`write`] writes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What stands before every name.
const PREFIX: &str = "roundtable";

/// What numbers are given that need none.
type NoLabels = [(&'static str, &'static str); 0];

/// One number, or several that differ by their labels.
struct Family {
    /// Without the prefix, and without what the kind adds.
    name: &'static str,
    /// The names of the labels, separated by commas.
    labels: &'static str,
    help: &'static str,
    numbers: Numbers,
}

/// What kind of numbers, and where they are found.
enum Numbers {
    /// It only grows.
    Counter(fn(&Report) -> Vec<Number>),
    /// It goes up and down.
    Gauge(fn(&Report) -> Vec<Number>),
    /// It only grows, outside of the hub's loop.
    Outer(fn(&Edge) -> Vec<Number>),
    /// What the system says.
    System(fn(&Process) -> u64),
    /// How often a number was within each of some bounds; a second is so much.
    Spread(fn(&Figures) -> &Histogram, f64),
}

/// A number with its labels.
struct Number {
    labels: Vec<(&'static str, Cow<'static, str>)>,
    value: u64,
}

/// Writes a report down, with what was counted beside it.
pub(crate) fn write(report: &Report, edge: &Arc<Edge>) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    let (report, edge, process) = (report.clone(), Arc::clone(edge), Process::read());
    registry.register_collector(Box::new(Written { report, edge, process }));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes everything");
    text
}

/// A table of all metrics in Markdown, with what they mean.
pub fn table_markdown() -> String {
    let mut text = "| metric | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for Family { name, labels, help, numbers } in FAMILIES {
        let kind = numbers.kind();
        let labels: Vec<String> =
            labels.split(", ").filter(|of| !of.is_empty()).map(|of| format!("`{of}`")).collect();
        let (suffix, labels) = (numbers.suffix(), labels.join(", "));
        let row = format!("| `{PREFIX}_{name}{suffix}` | {} | {labels} | {help} |", kind.as_str());
        writeln!(text, "{row}").expect("a string takes everything");
    }
    text
}

/// A report as the library asks for it.
#[derive(Debug)]
struct Written {
    report: Report,
    edge: Arc<Edge>,
    process: Process,
}

impl Collector for Written {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for family in FAMILIES {
            let Family { name, help, numbers, .. } = family;
            let mut metric = encoder.encode_descriptor(name, help, None, numbers.kind())?;
            let metric = &mut metric;
            match numbers {
                Numbers::Counter(find) => count(metric, find(&self.report))?,
                Numbers::Outer(find) => count(metric, find(&self.edge))?,
                Numbers::Gauge(find) => {
                    each(metric, find(&self.report), |metric, value| metric.encode_gauge(&value))?;
                }
                Numbers::System(find) => metric.encode_gauge(&find(&self.process))?,
                Numbers::Spread(find, unit) => spread(metric, find(&self.report.figures), *unit)?,
            }
        }
        Ok(())
    }
}

fn count(metric: &mut MetricEncoder<'_>, numbers: Vec<Number>) -> Result<(), Error> {
    each(metric, numbers, |metric, value| metric.encode_counter::<NoLabels, _, u64>(&value, None))
}

/// Writes a histogram, whose numbers are so many to the unit.
#[expect(clippy::cast_precision_loss, reason = "OpenMetrics has no other numbers")]
fn spread(metric: &mut MetricEncoder<'_>, histogram: &Histogram, unit: f64) -> Result<(), Error> {
    let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| bound as f64 / unit);
    let buckets: Vec<(f64, u64)> =
        histogram.buckets().map(|(upper, count)| (bound(upper), count)).collect();
    let sum = histogram.sum() as f64 / unit;
    metric.encode_histogram::<NoLabels>(sum, histogram.count(), &buckets, None)
}

/// Writes each of the numbers.
fn each(
    metric: &mut MetricEncoder<'_>,
    numbers: Vec<Number>,
    write: impl Fn(&mut MetricEncoder<'_>, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    for Number { labels, value } in numbers {
        if labels.is_empty() {
            write(metric, value)?;
        } else {
            write(&mut metric.encode_family(&labels)?, value)?;
        }
    }
    Ok(())
}

impl Numbers {
    fn kind(&self) -> MetricType {
        match self {
            Self::Counter(_) | Self::Outer(_) => MetricType::Counter,
            Self::Gauge(_) | Self::System(_) => MetricType::Gauge,
            Self::Spread(..) => MetricType::Histogram,
        }
    }

    /// What stands behind the name where a number is told.
    fn suffix(&self) -> &'static str {
        match self {
            Self::Counter(_) | Self::Outer(_) => "_total",
            Self::Gauge(_) | Self::System(_) | Self::Spread(..) => "",
        }
    }
}

impl Number {
    fn alone(value: u64) -> Self {
        Self { labels: Vec::new(), value }
    }

    fn closed(code: CloseCode, value: u64) -> Self {
        let code_is = ("code", code.number().to_string().into());
        Self { labels: vec![code_is, ("reason", code.reason().into())], value }
    }

    fn of(label: &'static str, is: impl Into<Cow<'static, str>>, value: u64) -> Self {
        Self { labels: vec![(label, is.into())], value }
    }
}
