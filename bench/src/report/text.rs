//! Numbers as people read them, and tables of Markdown.

/// A figure with three digits that count.
pub(crate) fn fixed(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number, its thousands apart.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in memory.
pub(crate) fn bytes(value: f64) -> String {
    match value {
        size if size >= 10.0 * 1_048_576.0 => format!("{:.0} MiB", size / 1_048_576.0),
        size if size >= 1_048_576.0 => format!("{:.1} MiB", size / 1_048_576.0),
        size if size >= 10_240.0 => format!("{:.1} KiB", size / 1024.0),
        size => format!("{} B", count(size)),
    }
}

/// A table of Markdown; all but the first column stand to the right if `numbers` says so.
pub(crate) fn table(columns: Columns, head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = head.iter().enumerate().map(|(index, _)| match columns {
        Columns::Numbers if index > 0 => "---:|",
        Columns::Numbers | Columns::Words => "---|",
    });
    let mut text = line(&head) + "|" + &rule.collect::<String>() + "\n";
    for row in rows {
        text += &line(row);
    }
    text
}

/// What stands in a table behind its first column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Columns {
    Numbers,
    Words,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_what_counts() {
        assert_eq!([0.456, 9.994, 12.34, 123.4].map(fixed), ["0.46", "9.99", "12.3", "123"]);
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.0].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        let sizes = [512.0, 10_239.0, 10_240.0, 2_097_152.0, 20_971_520.0];
        assert_eq!(sizes.map(bytes), ["512 B", "10,239 B", "10.0 KiB", "2.0 MiB", "20 MiB"]);
    }
}
