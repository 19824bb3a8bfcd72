//! What text is written on: its width, whether it has colours, and how amounts look.

use std::io::IsTerminal;

/// Columns where nobody says.
const WIDTH: usize = 80;

/// A colour of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Bold,
    Faint,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// Where text goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paper {
    pub(super) width: usize,
    colour: bool,
}

impl Paper {
    /// As stdout is: colours only on a terminal, and not where `NO_COLOR` is set.
    pub(super) fn of_stdout(width: Option<u16>) -> Self {
        let columns = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|n| *n >= 40);
        let width = width.map(usize::from).or_else(columns).unwrap_or(WIDTH);
        let quiet = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: width.min(400), colour: std::io::stdout().is_terminal() && !quiet }
    }

    /// Without colours.
    #[cfg(test)]
    pub(super) const fn plain(width: usize) -> Self {
        Self { width, colour: false }
    }

    /// The text in a colour.
    pub(super) fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => 1,
            Ink::Faint => 2,
            Ink::Red => 31,
            Ink::Green => 32,
            Ink::Yellow => 33,
            Ink::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A heading on a line of its own, after an empty one.
    pub(super) fn heading(&self, text: &str) -> String {
        format!("\n{}\n", self.ink(Ink::Bold, text))
    }

    /// Words in lines of at most the paper's width, each behind `indent` spaces.
    pub(super) fn wrap(&self, text: &str, indent: usize) -> String {
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if count(line) + 1 + count(word) <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines.iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
    }
}

/// Columns that a text takes.
pub(super) fn count(text: &str) -> usize {
    text.chars().count()
}

/// The text in exactly so many columns: cut in the middle, or filled with spaces.
pub(super) fn fit(text: &str, width: usize) -> String {
    let length = count(text);
    if length <= width {
        return format!("{text}{:1$}", "", width - length);
    }
    let (head, tail) = (width.saturating_sub(1).div_ceil(2), width.saturating_sub(1) / 2);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}…{end}")
}

/// Gas with a unit.
pub(super) fn gas(gas: u64) -> String {
    match gas {
        0..1_000 => gas.to_string(),
        1_000..1_000_000 => format!("{:.1}k", gas as f64 / 1e3),
        _ => format!("{:.2}M", gas as f64 / 1e6),
    }
}

/// A time with a unit.
pub(super) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// A speed-up.
pub(super) fn times(factor: f64) -> String {
    format!("{factor:.1}x")
}

/// `1 transaction`, `2 transactions`.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fits_its_columns() {
        assert_eq!(fit("Counter.count", 20), "Counter.count       ");
        assert_eq!(fit("Token.balances[alice]", 11), "Token…lice]");
        assert_eq!(count(&fit("0123456789", 4)), 4);
        let paper = Paper::plain(40);
        let text =
            paper.wrap("each call reads what the call before wrote, so they run one by one", 4);
        assert!(text.lines().all(|line| line.len() <= 40 && line.starts_with("    ")), "{text}");
        assert_eq!(text.split_whitespace().count(), 14);
    }

    #[test]
    fn amounts_have_units() {
        assert_eq!([gas(21), gas(43_412), gas(9_310_000)], ["21", "43.4k", "9.31M"]);
        assert_eq!([time(31), time(1_250), time(2_500_000)], ["31 µs", "1.2 ms", "2.50 s"]);
        assert_eq!([counted(1, "layer"), counted(2, "layer")], ["1 layer", "2 layers"]);
    }
}
