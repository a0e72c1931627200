//! A desk to put files on, and to look at what an import makes of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use import::{Call, ImportError, Item, Limits, Mapping, Refused, Source, Summary};
use serde_json::Value as Json;

static DESKS: AtomicU32 = AtomicU32::new(0);

/// A directory of one test, removed at its end.
pub(crate) struct Desk {
    folder: PathBuf,
}

/// Everything that came out of one import.
pub(crate) struct Imported {
    pub(crate) calls: Vec<Call>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) summary: Summary,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let number = DESKS.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("desk-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Desk { folder }
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Imports one file with this content.
    pub(crate) fn import(&self, name: &str, content: impl AsRef<[u8]>, mapping: &str) -> Imported {
        import_all(&[self.file(name, content)], mapping)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn mapping(yaml: &str) -> Mapping {
    Mapping::parse(yaml, "test.yaml").unwrap_or_else(|problem| panic!("{problem}"))
}

pub(crate) fn import_all(paths: &[PathBuf], yaml: &str) -> Imported {
    drain(Source::open(paths, &mapping(yaml)).unwrap()).unwrap()
}

pub(crate) fn import_within(paths: &[PathBuf], yaml: &str, limits: Limits) -> Result<Imported, ImportError> {
    drain(Source::open_within(paths, &mapping(yaml), limits)?)
}

pub(crate) fn drain(mut source: Source) -> Result<Imported, ImportError> {
    let (mut calls, mut refused) = (Vec::new(), Vec::new());
    for item in &mut source {
        match item? {
            Item::Call(call) => calls.push(call),
            Item::Refused(line) => refused.push(line),
            Item::Progress(_) => {}
        }
    }
    Ok(Imported { calls, refused, summary: source.into_summary() })
}

impl Imported {
    /// The calls as JSON.
    pub(crate) fn json(&self) -> Vec<Json> {
        let parse =
            |call: &Call| serde_json::from_str(&call.json).unwrap_or_else(|problem| panic!("{problem}: {}", call.json));
        self.calls.iter().map(parse).collect()
    }

    pub(crate) fn message_ids(&self) -> Vec<String> {
        self.json().iter().map(|call| call["messageId"].as_str().unwrap().to_owned()).collect()
    }

    /// Line and reason of each refused line.
    pub(crate) fn reasons(&self) -> Vec<(u64, &str)> {
        self.refused.iter().map(|refused| (refused.line, refused.reason.as_str())).collect()
    }
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 3).unwrap()
}
