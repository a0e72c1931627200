//! The compiled binary as a script or a shop's machine runs it.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A place for data and files, gone at the end.
pub(crate) struct Desk {
    dir: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.trim_end().lines().count(), 1, "one document and nothing else: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Desk {
    pub(crate) fn new() -> Desk {
        Desk { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
        command
            .current_dir(self.dir.path())
            .env_remove("PERENNIAL_DATA_DIR")
            .env_remove("PERENNIAL_LOG")
            .env("NO_COLOR", "1");
        let config = self.path("perennial.toml");
        if config.exists() && !arguments.contains(&"--config") {
            command.arg("--config").arg(config);
        }
        command.arg("--data-dir").arg(self.data()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        Ran {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that must do what it says, and gives its JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["--json"], arguments].concat());
        assert_eq!(ran.status, 0, "{arguments:?}: {ran:?}");
        ran.json()
    }

    #[track_caller]
    pub(crate) fn key(&self, kind: &str) -> String {
        self.json(&["keys", "create", "--kind", kind])["key"].as_str().unwrap().to_owned()
    }
}

/// `perennial serve`, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) login: String,
}

impl Server {
    pub(crate) fn start(desk: &Desk) -> Server {
        Server::try_start(desk).unwrap_or_else(|ran| panic!("{ran:?}"))
    }

    /// A server, or how it ended instead.
    pub(crate) fn try_start(desk: &Desk) -> Result<Server, Ran> {
        let mut child = desk
            .command(&["--json", "serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Option<Value> = serde_json::from_str(&line).ok();
        match told.as_ref().and_then(|told| Some((told["url"].as_str()?, told["login"].as_str()?))) {
            Some((url, login)) => {
                Ok(Server { child, url: url.trim_end_matches('/').to_owned(), login: login.to_owned() })
            }
            None => {
                let output = child.wait_with_output().unwrap();
                Err(Ran {
                    status: output.status.code().unwrap_or(-1),
                    out: line,
                    err: String::from_utf8(output.stderr).unwrap(),
                })
            }
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// As `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As a service manager stops it.
    pub(crate) fn stop(mut self) -> i32 {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already, or a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds; most at the bound.
pub(crate) fn until(most: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + most;
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// A file of the shared folder beside the repository; says so where that is not there.
pub(crate) fn find_shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}
