//! What a comparison found, small enough to keep: the machine, the servers, the workloads, and the median
//! of each figure. It knows nothing of how a document is made of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::measurement::Measurement;

/// Everything that a document is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Where it was measured.
    pub machine: Machine,
    /// How many times each server did each workload.
    pub runs: usize,
    /// What was measured, in the order of the document.
    pub servers: Vec<Server>,
    /// What they had to do, in the order of the document.
    pub workloads: Vec<Workload>,
    /// How many publishes the hub handles a second without sockets, if that was measured.
    pub publishes_per_second: Option<f64>,
    /// For each server and workload, the median of each figure.
    pub medians: Vec<Measurement>,
}

/// The machine and its tools.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of its cores there are.
    pub cores: usize,
    /// Its memory, in bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler that built Roundtable, the floors and the peers in Rust.
    pub rustc: String,
}

/// What a server is in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// One of Roundtable's.
    Ours,
    /// The least that the work takes: no hub, no protocol.
    Floor,
    /// What others would use.
    Peer,
}

/// One server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// Its name in tables.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// How it is built, in a few words.
    pub what: String,
    /// The versions of what it is made of.
    pub versions: String,
    /// How it was started, without what a workload adds.
    pub command: String,
}

/// One workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub what: String,
    /// How the load generator was started, without address, process and file.
    pub command: String,
    /// What it adds to the command of Roundtable's servers.
    pub flags: String,
}

impl Results {
    /// The medians of one server under one workload, if it was measured.
    pub fn of(&self, server: &str, workload: &str) -> Option<&Measurement> {
        self.medians.iter().find(|found| found.server == server && found.workload == workload)
    }

    /// The server of this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// Everybody's figures under one workload, in the order of the servers.
    pub fn under<'a>(
        &'a self,
        workload: &'a str,
    ) -> impl Iterator<Item = (&'a Server, &'a Measurement)> {
        self.servers
            .iter()
            .filter_map(move |server| Some((server, self.of(&server.name, workload)?)))
    }

    /// As JSON, with one measurement a line, so that a change of one is a change of one line.
    ///
    /// # Panics
    ///
    /// If plain data is no JSON, which cannot be.
    pub fn to_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("plain data is JSON");
        let medians = value["medians"].take();
        let lines: Vec<String> =
            medians.as_array().into_iter().flatten().map(|line| format!("    {line}")).collect();
        let text = serde_json::to_string_pretty(&value).expect("a value is JSON");
        let lines = format!("\"medians\": [\n{}\n  ]", lines.join(",\n"));
        text.replacen("\"medians\": null", &lines, 1) + "\n"
    }
}

/// The median of several runs, figure by figure. Of what should not happen the most counts.
///
/// # Panics
///
/// If there are no runs.
pub fn median(runs: &[Measurement]) -> Measurement {
    let values: Vec<Value> =
        runs.iter().map(|run| serde_json::to_value(run).expect("plain data is JSON")).collect();
    let mut value = merge(&values.iter().collect::<Vec<_>>());
    for key in ["lost", "told_gaps", "duplicates", "misordered", "closed", "handshakes_failed"] {
        let most = values.iter().filter_map(|value| value[key].as_u64()).max();
        value[key] = most.expect("it is a count").into();
    }
    serde_json::from_value(value).expect("the median of measurements is one")
}

fn merge(values: &[&Value]) -> Value {
    let there: Vec<&Value> = values.iter().copied().filter(|value| !value.is_null()).collect();
    let Some(first) = there.first() else { return Value::Null };
    match first {
        Value::Null => Value::Null,
        Value::Bool(_) => there.iter().any(|value| **value == Value::Bool(true)).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(_) => middle(&there),
        Value::Array(items) => items.iter().map(|item| merge_named(item, &there)).collect(),
        Value::Object(fields) => {
            let merged = fields.keys().map(|key| {
                let of_key: Vec<&Value> = there.iter().filter_map(|value| value.get(key)).collect();
                (key.clone(), merge(&of_key))
            });
            Value::Object(merged.collect::<Map<_, _>>())
        }
    }
}

/// Items of lists belong together by their names: threads begin in any order.
fn merge_named(item: &Value, lists: &[&Value]) -> Value {
    let items = lists.iter().filter_map(|list| list.as_array()).flatten();
    let same: Vec<&Value> = items.filter(|other| other["name"] == item["name"]).collect();
    merge(&same)
}

/// The lower of the two in the middle, so that a count stays a whole number.
fn middle(numbers: &[&Value]) -> Value {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(|a, b| a.as_f64().partial_cmp(&b.as_f64()).expect("JSON knows no NaN"));
    sorted[(sorted.len() - 1) / 2].clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_medians_losses_have_their_worst_and_threads_their_names() {
        let run = |lost: u64, rate: f64, user: f64, other: f64| -> Measurement {
            let mut run = crate::report::tests::measurement("a", "b");
            run.lost = lost;
            run.deliveries_per_second = rate;
            run.threads = vec![
                crate::measurement::Thread {
                    name: "hub".to_owned(),
                    user_us: user,
                    system_us: 1.0,
                },
                crate::measurement::Thread { name: "x".to_owned(), user_us: other, system_us: 1.0 },
            ];
            run
        };
        let mut runs = [run(0, 3.0, 10.0, 1.0), run(7, 1.0, 30.0, 3.0), run(0, 2.0, 20.0, 2.0)];
        runs[1].threads.reverse();
        let median = median(&runs);
        assert_eq!((median.lost, median.deliveries_per_second), (7, 2.0));
        let threads: Vec<(&str, f64)> =
            median.threads.iter().map(|thread| (&*thread.name, thread.user_us)).collect();
        assert_eq!(threads, [("hub", 20.0), ("x", 2.0)]);
    }
}
