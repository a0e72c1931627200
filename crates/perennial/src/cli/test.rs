//! `perennial test`: scenario files, on nobody's data. Each runs in an empty workspace of its own.

use super::{Ended, Out};
use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use scenario::Colours;
use std::io::IsTerminal;
use std::path::PathBuf;

/// What `test` is told.
#[derive(Args)]
pub(super) struct Test {
    /// Scenario files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the results to this file too, in the junit XML that CI systems read
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs scenarios. The answer is no where an expectation does not hold, and wrong where a file cannot be read.
pub(super) fn test(test: &Test, out: &Out) -> anyhow::Result<Ended> {
    let bar = bar();
    let report = scenario::test(&test.paths, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report?;
    if let Some(file) = &test.junit {
        std::fs::write(file, scenario::junit(&report))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let colours = if colours { Colours::Yes } else { Colours::No };
    out.answer(&report.json(), |print| report.print(print, colours))?;
    report.print_warnings(&mut std::io::stderr().lock())?;
    if out.json {
        // As every error: in words on standard error too.
        for unreadable in &report.unreadable {
            eprintln!("perennial: {}", super::show::one_line(&unreadable.to_string()));
        }
    }
    Ok(match (report.unreadable.is_empty(), report.failed()) {
        (false, _) => Ended::Wrong,
        (true, 0) => Ended::Yes,
        (true, _) => Ended::No,
    })
}

/// A progress bar on standard error; hidden where that is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} scenarios") {
        bar.set_style(style);
    }
    bar
}
