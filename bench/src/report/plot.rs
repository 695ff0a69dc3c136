//! Three plots, as SVG: throughput, latency, memory. It knows the figures and nothing of the document.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::results::{Results, Role, Server};
use super::targets::{IDLE, PACED, SATURATED};
use super::text::{bytes, count, fixed};

const WIDTH: u32 = 800;
const ROW: u32 = 34;
const FRAME: u32 = 100;
const FONT: &str = "sans-serif";
/// One of these for each percentile of a latency, from the lowest on.
const SHADES: [RGBColor; 4] = [
    RGBColor(33, 102, 172),
    RGBColor(67, 147, 195),
    RGBColor(244, 165, 130),
    RGBColor(178, 24, 43),
];

/// A file's name and its SVG.
pub(crate) type Plot = (&'static str, String);

/// The plots for which there are figures.
pub(crate) fn plots(results: &Results) -> Vec<Plot> {
    let throughput: Vec<(&Server, f64)> = results
        .under(SATURATED)
        .map(|(server, found)| (server, found.deliveries_per_second))
        .collect();
    let memory: Vec<(&Server, f64)> = results
        .under(IDLE)
        .map(|(server, found)| (server, found.rss_per_connection_bytes))
        .collect();
    let latency: Vec<(&Server, [f64; 4])> = results
        .under(PACED)
        .filter_map(|(server, found)| {
            let latency = found.latency_ms.as_ref()?;
            Some((server, [latency.p50, latency.p90, latency.p99, latency.p999]))
        })
        .collect();
    let mut plots = Vec::new();
    if !throughput.is_empty() {
        let title = "Deliveries a second, 1,000 connections, saturated (more is better)";
        plots.push(("throughput.svg", bars(title, &throughput, Scale::Linear, count)));
    }
    if !latency.is_empty() {
        let title = "Latency in ms, 1,000 connections, 100 messages a second: p50, p90, p99, p99.9";
        plots.push(("latency.svg", ranges(title, &latency)));
    }
    if !memory.is_empty() {
        let title = "Resident memory for each idle connection (less is better)";
        plots.push(("memory.svg", bars(title, &memory, Scale::Logarithmic, bytes)));
    }
    plots
}

#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

fn color(server: &Server) -> RGBColor {
    match server.role {
        Role::Ours => RGBColor(33, 102, 172),
        Role::Floor => RGBColor(190, 190, 190),
        Role::Peer => RGBColor(120, 144, 156),
    }
}

/// Draws into a page that has room for so many rows, and returns the SVG.
fn page(
    rows: usize,
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>>,
) -> String {
    let mut svg = String::new();
    {
        let height = FRAME + ROW * u32::try_from(rows).expect("there are few servers");
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).expect("a string takes everything");
        draw(&area).expect("a string takes everything");
        area.present().expect("a string takes everything");
    }
    let lines: Vec<&str> = svg.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}

/// One bar for each server, its figure behind it. A logarithmic axis begins at a power of ten.
fn bars(title: &str, rows: &[(&Server, f64)], scale: Scale, text: fn(f64) -> String) -> String {
    let most = rows.iter().map(|row| row.1).fold(1.0, f64::max);
    let least = rows.iter().map(|row| row.1).fold(most, f64::min).max(1.0);
    // The position on the axis; a share of the axis is left free for the text behind the longest bar.
    let (from, to) = match scale {
        Scale::Linear => (0.0, most * 1.2),
        Scale::Logarithmic => {
            let from = least.log10().floor();
            (from, from + (most.log10() - from) * 1.2)
        }
    };
    let place = |value: f64| match scale {
        Scale::Linear => value,
        Scale::Logarithmic => value.max(1.0).log10(),
    };
    let label = |place: f64| match scale {
        Scale::Linear => text(place),
        Scale::Logarithmic => text(10_f64.powf(place)),
    };
    page(rows.len(), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 17))
            .margin(12)
            .x_label_area_size(30)
            .y_label_area_size(150)
            .build_cartesian_2d(from..to, 0.0..size(rows.len()))?;
        let labels = match scale {
            Scale::Linear => 6,
            Scale::Logarithmic => 4,
        };
        let mut mesh = chart.configure_mesh();
        mesh.disable_y_mesh().disable_y_axis().light_line_style(TRANSPARENT);
        mesh.x_labels(labels).x_label_formatter(&|at| label(*at)).draw()?;
        for (index, (server, value)) in rows.iter().enumerate() {
            let middle = size(rows.len() - index) - 0.5;
            let corners = [(from, middle - 0.35), (place(*value), middle + 0.35)];
            chart.draw_series([Rectangle::new(corners, color(server).filled())])?;
            let style = (FONT, 14).into_text_style(area);
            let behind = EmptyElement::at((place(*value), middle))
                + Text::new(text(*value), (6, -7), style.clone());
            chart.draw_series([behind])?;
            name(&mut chart, area, server, from, middle)?;
        }
        Ok(())
    })
}

/// A point for each percentile of each server, on a line from the lowest to the highest.
fn ranges(title: &str, rows: &[(&Server, [f64; 4])]) -> String {
    let all = || rows.iter().flat_map(|row| row.1).map(|value| value.max(0.01));
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.01, f64::max));
    let place = |value: f64| value.max(0.01).log10();
    let (from, to) = (place(least) - 0.1, place(most) + 0.1);
    page(rows.len(), |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 17))
            .margin(12)
            .x_label_area_size(30)
            .y_label_area_size(150)
            .build_cartesian_2d(from..to, 0.0..size(rows.len()))?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_y_mesh().disable_y_axis().light_line_style(TRANSPARENT);
        mesh.x_labels(6).x_label_formatter(&|at| fixed(10_f64.powf(*at))).draw()?;
        for (index, (server, values)) in rows.iter().enumerate() {
            let middle = size(rows.len() - index) - 0.5;
            let ends = [(place(values[0]), middle), (place(values[3]), middle)];
            chart.draw_series([PathElement::new(ends, color(server).stroke_width(3))])?;
            for (value, shade) in values.iter().zip(SHADES) {
                chart.draw_series([Circle::new((place(*value), middle), 6, shade.filled())])?;
            }
            name(&mut chart, area, server, from, middle)?;
        }
        Ok(())
    })
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Writes a server's name to the left of its row.
fn name(
    chart: &mut Chart<'_, '_>,
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    server: &Server,
    from: f64,
    middle: f64,
) -> Result<(), Box<dyn Error>> {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let (x, y) = chart.backend_coord(&(from, middle));
    let style = (FONT, 14).into_text_style(area).pos(Pos::new(HPos::Right, VPos::Center));
    area.draw_text(&server.name, &style, (x - 8, y))?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "there are few servers")]
fn size(rows: usize) -> f64 {
    rows as f64
}
