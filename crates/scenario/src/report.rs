//! The results of a run for people, for machines and for CI.

use crate::{Failure, Report, Tested};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Result, Write};

/// Whether words for people are coloured: on a terminal, and not where `NO_COLOR` is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colours {
    /// They are.
    Yes,
    /// They are not.
    No,
}

impl Colours {
    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Colours::Yes => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colours::No => text.to_owned(),
        }
    }
}

impl Report {
    /// Number of scenarios that passed.
    pub fn passed(&self) -> usize {
        self.scenarios.iter().filter(|tested| tested.passed()).count()
    }

    /// Number of scenarios in which something did not hold.
    pub fn failed(&self) -> usize {
        self.scenarios.len() - self.passed()
    }

    /// The document of `perennial test --json`: `passed`, `failed`, `scenarios` with their failures and warnings; and
    /// `errors` for what could not be read.
    pub fn json(&self) -> Value {
        let scenarios = self.scenarios.iter().map(|tested| {
            let mut failures: Vec<Value> = tested.failures.iter().map(failure_json).collect();
            if tested.failures_left_out > 0 {
                failures.push(json!({ "message": left_out(tested.failures_left_out) }));
            }
            json!({
                "file": tested.file, "name": tested.name, "passed": tested.passed(), "failures": failures,
                "warnings": tested.warnings,
            })
        });
        let errors = self.unreadable.iter().map(|unreadable| {
            json!({
                "file": unreadable.file,
                "name": unreadable.name,
                "path": unreadable.error.path,
                "message": unreadable.error.message,
            })
        });
        json!({
            "passed": self.passed(),
            "failed": self.failed(),
            "scenarios": scenarios.collect::<Vec<_>>(),
            "errors": errors.collect::<Vec<_>>(),
        })
    }

    /// Failures with their reasons, then the counts.
    pub fn print(&self, out: &mut dyn Write, colours: Colours) -> Result<()> {
        for tested in self.scenarios.iter().filter(|tested| !tested.passed()) {
            let heading = clean(&format!("{}: {}", tested.file, tested.name));
            for failure in &tested.failures {
                writeln!(out, "{} {heading}: {}", colours.red("failed"), clean(&failure.to_string()))?;
                for line in &failure.why {
                    for part in line.lines() {
                        writeln!(out, "         {}", clean(part))?;
                    }
                }
            }
            if tested.failures_left_out > 0 {
                writeln!(out, "{} {heading}: {}", colours.red("failed"), left_out(tested.failures_left_out))?;
            }
        }
        for unreadable in &self.unreadable {
            writeln!(out, "{} {}", colours.red("unreadable"), clean(&unreadable.to_string()))?;
        }
        let seconds = self.took.as_secs_f64();
        let mut counts = vec![colours.green(&format!("{} passed", self.passed()))];
        if self.failed() > 0 {
            counts.push(colours.red(&format!("{} failed", self.failed())));
        }
        if !self.unreadable.is_empty() {
            counts.push(colours.red(&format!("{} unreadable", self.unreadable.len())));
        }
        if self.passed_over > 0 {
            let files = if self.passed_over == 1 { "1 file" } else { &format!("{} files", self.passed_over) };
            counts.push(format!("{files} of definitions passed over"));
        }
        // A rate over next to nothing is noise.
        let rate = if seconds > 0.0 { format!(", {:.0} a second", self.steps as f64 / seconds) } else { String::new() };
        writeln!(out, "{}; {} steps in {seconds:.2} s{rate}", counts.join(", "), self.steps)
    }

    /// What is odd but allowed. Definitions are shared by many scenarios: each thing is said once, with the first.
    pub fn print_warnings(&self, out: &mut dyn Write) -> Result<()> {
        let mut seen: BTreeMap<&str, (&Tested, usize)> = BTreeMap::new();
        let mut order = Vec::new();
        for tested in &self.scenarios {
            for warning in &tested.warnings {
                let (_, times) = seen.entry(warning).or_insert_with(|| {
                    order.push(warning.as_str());
                    (tested, 0)
                });
                *times += 1;
            }
        }
        for warning in order {
            let (tested, times) = seen[warning];
            let more = if times > 1 { format!(" (so too in {} more)", times - 1) } else { String::new() };
            let place = format!("{}: {}", tested.file, tested.name);
            writeln!(out, "warning {}: {}{more}", clean(&place), clean(warning))?;
        }
        Ok(())
    }
}

fn failure_json(failure: &Failure) -> Value {
    json!({
        "step": failure.step,
        "at": failure.at.to_string(),
        "expected": failure.expected,
        "found": failure.found,
        "why": failure.why,
        "message": failure.to_string(),
    })
}

fn left_out(count: usize) -> String {
    format!("and {count} failures more")
}

/// What a file or a template holds must not move a terminal's cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The results as `JUnit` XML: a suite for each file, a case for each scenario.
pub fn junit(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = report.scenarios.len() + report.unreadable.len();
    let _ = writeln!(
        xml,
        "<testsuites name=\"perennial\" tests=\"{all}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">",
        report.failed(),
        report.unreadable.len(),
        report.took.as_secs_f64()
    );
    let mut files: Vec<&str> = report.scenarios.iter().map(|tested| tested.file.as_str()).collect();
    files.extend(report.unreadable.iter().map(|unreadable| unreadable.file.as_str()));
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(*file));
    for file in files {
        suite(&mut xml, report, file);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, report: &Report, file: &str) {
    let tested: Vec<_> = report.scenarios.iter().filter(|tested| tested.file == file).collect();
    let unreadable: Vec<_> = report.unreadable.iter().filter(|unreadable| unreadable.file == file).collect();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        escape(file),
        tested.len() + unreadable.len(),
        tested.iter().filter(|tested| !tested.passed()).count(),
        unreadable.len()
    );
    for tested in tested {
        let _ = write!(
            xml,
            "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\"",
            escape(&tested.name),
            escape(file),
            tested.took.as_secs_f64()
        );
        if tested.passed() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(">\n");
        for failure in &tested.failures {
            let _ = writeln!(
                xml,
                "      <failure message=\"{}\">{}</failure>",
                escape(&failure.to_string()),
                escape(&failure.why.join("\n"))
            );
        }
        if tested.failures_left_out > 0 {
            let _ = writeln!(xml, "      <failure message=\"{}\"/>", left_out(tested.failures_left_out));
        }
        xml.push_str("    </testcase>\n");
    }
    for unreadable in unreadable {
        let name = unreadable.name.as_deref().unwrap_or("the file can be read");
        let _ = writeln!(
            xml,
            "    <testcase name=\"{}\" classname=\"{}\">\n      <error message=\"{}\"/>\n    </testcase>",
            escape(name),
            escape(file),
            escape(&unreadable.error.to_string())
        );
    }
    xml.push_str("  </testsuite>\n");
}

/// Text as XML 1.0 allows it, in attributes too. What XML cannot hold at all becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // Parsers turn them into spaces in attributes unless they are written so.
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
