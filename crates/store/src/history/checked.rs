//! A file of which every byte is checked before it is handed out.

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes under one sum. Smaller ones would make the list of files long, larger ones small reads slow.
const BLOCK_BYTES: usize = 16 * 1024;

/// The sums of a file's blocks.
pub(super) fn sums_of(mut file: impl Read) -> std::io::Result<(u64, Vec<u32>)> {
    let (mut size, mut sums) = (0, Vec::new());
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        block.clear();
        file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok((size, sums));
        }
        size += block.len() as u64;
        sums.push(crc32fast::hash(&block));
    }
}

/// An open file with the sums that its blocks must have.
#[derive(Clone)]
pub(super) struct CheckedFile {
    file: Arc<Mutex<File>>,
    size_bytes: u64,
    sums: Arc<[u32]>,
}

impl CheckedFile {
    /// Errors with what is wrong if the file has another size than it had.
    pub(super) fn new(file: File, size_bytes: u64, sums: &[u32]) -> std::result::Result<CheckedFile, String> {
        let found = file.metadata().map_err(|error| error.to_string())?.len();
        if found != size_bytes || sums.len() as u64 != size_bytes.div_ceil(BLOCK_BYTES as u64) {
            return Err(format!("it has {found} bytes instead of {size_bytes}"));
        }
        Ok(CheckedFile { file: Arc::new(Mutex::new(file)), size_bytes, sums: sums.into() })
    }

    /// Whole blocks, checked: those that hold `start..end`. Returns them and where they begin.
    fn blocks(&self, start: u64, end: u64) -> Result<(Bytes, u64)> {
        if start > end || end > self.size_bytes {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} are beyond the end of the file")));
        }
        let block = BLOCK_BYTES as u64;
        let first = start / block;
        let (from, to) = (first * block, self.size_bytes.min(end.div_ceil(block) * block));
        let size = usize::try_from(to - from).map_err(|error| ParquetError::General(error.to_string()))?;
        let mut bytes = vec![0; size];
        {
            // A reader that panicked left the file itself as it was; each read seeks anew.
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut bytes)).map_err(ParquetError::from)?;
        }
        let number = usize::try_from(first).map_err(|error| ParquetError::General(error.to_string()))?;
        for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            if self.sums.get(number + index) != Some(&crc32fast::hash(block)) {
                let at = from + (index * BLOCK_BYTES) as u64;
                return Err(ParquetError::General(format!(
                    "the checksum of the {} bytes at {at} differs",
                    block.len()
                )));
            }
        }
        Ok((bytes.into(), from))
    }
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.size_bytes
    }
}

impl ChunkReader for CheckedFile {
    type T = Blocks;

    fn get_read(&self, start: u64) -> Result<Blocks> {
        Ok(Blocks { file: self.clone(), next: start, block: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let (bytes, from) = self.blocks(start, start.saturating_add(length as u64))?;
        let at = usize::try_from(start - from).expect("less than a block");
        Ok(bytes.slice(at..at + length))
    }
}

/// Reads on from a place, block by block.
pub(super) struct Blocks {
    file: CheckedFile,
    next: u64,
    block: Bytes,
}

impl Read for Blocks {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() && self.next < self.file.size_bytes {
            let (block, from) = self.file.blocks(self.next, self.next + 1).map_err(std::io::Error::other)?;
            let at = usize::try_from(self.next - from).expect("less than a block");
            self.block = block.slice(at..);
        }
        let count = into.len().min(self.block.len());
        into[..count].copy_from_slice(&self.block.split_to(count));
        self.next += count as u64;
        Ok(count)
    }
}
