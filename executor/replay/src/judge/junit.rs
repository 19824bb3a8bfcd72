//! Verdicts as a JUnit report, which every CI service can show.

use super::{Outcome, Verdict};
use std::io::{self, Write};

/// Writes the report: one test case a verdict. What is excepted is `skipped`.
///
/// # Errors
/// When `out` refuses.
pub fn write_junit(out: &mut dyn Write, suite: &str, verdicts: &[Verdict]) -> io::Result<()> {
    let count = |wanted: fn(&Outcome) -> bool| {
        verdicts.iter().filter(|verdict| wanted(&verdict.outcome)).count()
    };
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let excepted = count(|outcome| matches!(outcome, Outcome::Excepted { .. }));
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuite name="{}" tests="{}" failures="{failed}" skipped="{excepted}">"#,
        escaped(suite),
        verdicts.len()
    )?;
    for verdict in verdicts {
        let class = escaped(&verdict.file.display().to_string());
        let name = escaped(format!("{} {}", verdict.test, verdict.fork).trim());
        write!(out, r#"  <testcase classname="{class}" name="{name}""#)?;
        match &verdict.outcome {
            Outcome::Passed { .. } => writeln!(out, "/>")?,
            Outcome::Failed(difference) => {
                let message = escaped(&difference.to_string());
                writeln!(out, r#"><failure message="{message}"/></testcase>"#)?;
            }
            Outcome::Excepted { reason, difference } => {
                let message = escaped(&format!("{reason}; {difference}"));
                writeln!(out, r#"><skipped message="{message}"/></testcase>"#)?;
            }
        }
    }
    writeln!(out, "</testsuite>")
}

/// Text as the value of an XML attribute. Characters that XML 1.0 does not have become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Difference;

    #[test]
    fn a_report_counts_failed_and_excepted_and_escapes_names() {
        let verdict = |test: &str, outcome| Verdict {
            file: "a.json".into(),
            test: test.into(),
            fork: "Osaka".into(),
            outcome,
        };
        let difference = Difference::new("gasUsed", 1, "<2>\n");
        let verdicts = [
            verdict("x[\"y\"]", Outcome::Passed { rejections: Vec::new() }),
            verdict("b", Outcome::Failed(difference.clone())),
            verdict("c", Outcome::Excepted { reason: "known", difference }),
        ];
        let mut out = Vec::new();
        write_junit(&mut out, "state", &verdicts).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                r#"<testsuite name="state" tests="3" failures="1" skipped="1">"#,
                r#"  <testcase classname="a.json" name="x[&quot;y&quot;] Osaka"/>"#,
                r#"  <testcase classname="a.json" name="b Osaka"><failure message="gasUsed: expected 1, found &lt;2&gt; "/></testcase>"#,
                r#"  <testcase classname="a.json" name="c Osaka"><skipped message="known; gasUsed: expected 1, found &lt;2&gt; "/></testcase>"#,
                "</testsuite>",
            ]
        );
    }
}
