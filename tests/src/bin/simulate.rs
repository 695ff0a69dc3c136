//! `simulate`: plays crowds on bad networks to the hub and prints what it came to. A failing run
//! prints its seed and the steps that it takes.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};
use roundtable_tests::invariant::Invariant;
use roundtable_tests::sim::{Failure, Kind, Mix, Outcome, Plan};

fn main() -> ExitCode {
    let arguments = command().get_matches();
    let plans = plans(&arguments);
    let jobs = *arguments.get_one::<u16>("jobs").expect("it has a default");
    let first = plans[0];
    println!("seed {}, {} runs: {}", first.seed, plans.len(), first.mix);
    // A broken invariant is reported below, once, and not at each step of the shrinking.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    match run(&plans, jobs.into()) {
        Ok(outcome) => {
            report(&plans, &outcome, began.elapsed(), jobs.into());
            ExitCode::SUCCESS
        }
        Err((plan, failure)) => {
            let again = format!(
                "--seed {} --clients {} --hours {} --mix {}",
                plan.seed,
                plan.clients,
                plan.span.as_secs() / 3600,
                plan.mix,
            );
            eprintln!("seed {} fails after {:?}: {again}", plan.seed, began.elapsed());
            eprintln!("{}\n\ncutting {} steps down", failure.message, failure.steps.len());
            let began = Instant::now();
            let most = Duration::from_secs(*arguments.get_one("shrink").expect("it has a default"));
            eprintln!("{}", failure.shrink(|| began.elapsed() >= most));
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").default_value(default).help(help)
    };
    Command::new("simulate")
        .about("Plays crowds on bad networks to the hub, and checks its invariants at every step")
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("What every chance is drawn from; without it a new one is drawn"),
        )
        .arg(
            number("clients", "60", "How many clients there are")
                .value_parser(value_parser!(u16).range(1..=20_000)),
        )
        .arg(
            number("hours", "1", "How many hours pass in each run")
                .value_parser(value_parser!(u32).range(1..)),
        )
        .arg(
            number("runs", "1", "How many runs, each with the next seed")
                .value_parser(value_parser!(u32).range(1..)),
        )
        .arg(
            number("jobs", "2", "How many runs at a time")
                .value_parser(value_parser!(u16).range(1..)),
        )
        .arg(
            number("shrink", "60", "How many seconds a failing run is cut down")
                .value_parser(value_parser!(u64)),
        )
        .arg(
            Arg::new("mix")
                .long("mix")
                .value_parser(PossibleValuesParser::new(Mix::ALL.map(|(name, _)| name)))
                .default_value("swarm")
                .help("Whether each run draws its faults, people chat, or they do on the way"),
        )
}

fn plans(arguments: &ArgMatches) -> Vec<Plan> {
    let seed = arguments.get_one::<u64>("seed").copied();
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let runs = *arguments.get_one::<u32>("runs").expect("it has a default");
    let hours = *arguments.get_one::<u32>("hours").expect("it has a default");
    let name = arguments.get_one::<String>("mix").expect("it has a default");
    let mix = Mix::ALL.into_iter().find(|(of, _)| of == name).expect("clap knows them all").1;
    let plan = |run: u32| Plan {
        seed: seed.wrapping_add(run.into()),
        clients: *arguments.get_one::<u16>("clients").expect("it has a default"),
        span: Duration::from_hours(hours.into()),
        mix,
        hub: if mix == Mix::Swarm { Kind::Twin } else { Kind::Single },
    };
    (0..runs).map(plan).collect()
}

/// Runs all plans, `jobs` at a time, until one fails.
fn run(plans: &[Plan], jobs: usize) -> Result<Outcome, (Plan, Box<Failure>)> {
    let next = AtomicU64::new(0);
    let (done, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                while let Some(plan) = take(plans, next) {
                    let outcome = plan.run();
                    if outcome.is_err() {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                    }
                    if done.send((plan, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let mut all = Outcome::default();
        for (plan, outcome) in outcomes {
            all.add(&outcome.map_err(|failure| (plan, failure))?);
        }
        Ok(all)
    })
}

fn take(plans: &[Plan], next: &AtomicU64) -> Option<Plan> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    plans.get(usize::try_from(index).ok()?).copied()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn report(plans: &[Plan], outcome: &Outcome, took: Duration, jobs: usize) {
    let span: Duration = plans.iter().map(|plan| plan.span).sum();
    let figures = outcome.figures;
    println!("simulated       {:.1} h", span.as_secs_f64() / 3600.0);
    println!("events          {}", figures.events);
    println!("deliveries      {}", figures.deliveries);
    println!("reconnects      {}", figures.reconnects);
    println!("resumed         {}", figures.resumed);
    println!("gaps told       {}", figures.gaps);
    println!("closed by hub   {}", figures.closes);
    println!("restarts        {}", figures.restarts);
    println!("checks          {}", outcome.checked.total());
    for invariant in Invariant::ALL {
        println!("  {invariant:<36} {}", outcome.checked.of(invariant));
    }
    let work = (figures.events + figures.deliveries) as f64 / took.as_secs_f64();
    let cores = jobs.min(plans.len());
    println!(
        "took            {:.1} s: {:.0} events and deliveries a second on {cores} threads, \
         {:.0} each; {:.0} times as fast as time",
        took.as_secs_f64(),
        work,
        work / cores as f64,
        span.as_secs_f64() / took.as_secs_f64(),
    );
}
