//! The journal: one line of JSON for each record, each with the digest of the line before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use portolan_model::{Code, Digest, Entry, Finding, JournalRecord};

use super::files::{sync_folder, unusable};

/// An open journal: where its sound part ends, and what the next line hangs on.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Bytes of whole, sound lines.
    end: u64,
    /// Whether there may be the beginning of a line behind them.
    torn: bool,
    seq: u64,
    prev: Digest,
    file: Option<File>,
}

impl Journal {
    /// Reads a journal that hangs on a plan, and checks its chain. A last line that was not written to its
    /// end was never acknowledged: it does not count. Anything else that does not fit is damage.
    pub(super) fn open(path: &Path, plan: &Digest) -> Result<(Self, Vec<Entry>), Finding> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(path, &error)),
        };
        let mut journal = Self { path: path.to_owned(), end: 0, torn: false, seq: 0, prev: plan.clone(), file: None };
        let mut entries = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                journal.torn = true;
                break;
            };
            entries.push(journal.follow(line)?);
        }
        Ok((journal, entries))
    }

    /// Takes the next line as the chain's next link.
    fn follow(&mut self, line: &[u8]) -> Result<Entry, Finding> {
        let entry: Entry = serde_json::from_slice(line).map_err(|error| self.damaged(&error.to_string()))?;
        if entry.seq != self.seq {
            return Err(self.damaged(&format!("it says it is record {}", entry.seq)));
        }
        if entry.prev != self.prev {
            return Err(self.damaged("it does not follow the line before it"));
        }
        self.advance(line);
        Ok(entry)
    }

    fn advance(&mut self, line: &[u8]) {
        self.prev = Digest::of(line);
        self.seq += 1;
        self.end += line.len() as u64 + 1;
    }

    fn damaged(&self, what: &str) -> Finding {
        Finding::blocking(Code::BadJournal, format!("line {} of the journal is damaged", self.seq + 1))
            .with(self.path.display().to_string())
            .with(what)
    }

    /// Makes a record durable: one line in one write, and one sync.
    pub(super) fn append(&mut self, record: JournalRecord) -> Result<(), Finding> {
        let entry = Entry {
            seq: self.seq,
            prev: self.prev.clone(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            record,
        };
        let mut line = serde_json::to_vec(&entry).map_err(|error| {
            Finding::blocking(Code::StateFolder, "a record cannot be written down").with(error.to_string())
        })?;
        line.push(b'\n');
        self.check_end()?;
        // Whatever goes wrong from here on, part of the line may be there; the next append cuts it off.
        self.torn = true;
        let path = self.path.clone();
        self.write(&line).map_err(|error| unusable(&path, &error))?;
        self.torn = false;
        self.advance(&line[..line.len() - 1]);
        Ok(())
    }

    /// Opens the file where that is still to be done, and makes sure that it ends where we left it.
    fn check_end(&mut self) -> Result<(), Finding> {
        let open = |path: &Path| -> io::Result<File> {
            let is_new = !path.exists();
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
            if is_new {
                sync_folder(path.parent().unwrap_or(Path::new(".")))?;
            }
            Ok(file)
        };
        if self.file.is_none() {
            self.file = Some(open(&self.path).map_err(|error| unusable(&self.path, &error))?);
        }
        let length = self.file.as_ref().map_or(Ok(0), |file| {
            if self.torn {
                file.set_len(self.end)?;
            }
            file.metadata().map(|meta| meta.len())
        });
        match length {
            Ok(length) if length == self.end => Ok(()),
            Ok(length) => {
                Err(self
                    .damaged(&format!("it ends at byte {length} and not at {}: somebody else writes to it", self.end)))
            }
            Err(error) => Err(unusable(&self.path, &error)),
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("the journal is not open"))?;
        file.write_all(line)?;
        file.sync_data()
    }
}
