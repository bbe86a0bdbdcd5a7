//! Writes a bundle of our own.

use std::fs::File;
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use portolan_bundle::{BundleIndex, BundleReader, LayoutContent, LayoutFile, Limits};
use portolan_model::{Code, Finding};

/// Writes a layout into a new file, and reads it as a bundle: a source that has changed since it was indexed is noticed then. A file
/// that is there is left as it is. `sources` are the files of the layout's sources, in order.
///
/// # Errors
/// [`Code::CannotWrite`] if the file cannot be written or is there; as [`portolan_bundle::BundleError`] says if it is no good bundle.
pub fn create(to: &Path, layout: &[LayoutFile], sources: &[PathBuf]) -> Result<BundleIndex, Finding> {
    let unwritable = |error: std::io::Error| {
        Finding::blocking(Code::CannotWrite, format!("{} cannot be written", to.display())).with(error.to_string())
    };
    if to.exists() {
        return Err(unwritable(std::io::ErrorKind::AlreadyExists.into()));
    }
    let part = to.with_added_extension("part");
    let written = write(&part, layout, sources).map_err(unwritable).and_then(|()| {
        let file = File::open(&part).map_err(unwritable)?;
        portolan_bundle::read(file, Limits::default()).map_err(|error| error.finding())
    });
    match written {
        Ok(index) => std::fs::rename(&part, to).map(|()| index).map_err(unwritable),
        Err(finding) => {
            // What is half written serves nobody, and the reason counts.
            drop(std::fs::remove_file(&part));
            Err(finding)
        }
    }
}

fn write(part: &Path, layout: &[LayoutFile], sources: &[PathBuf]) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(BufWriter::new(File::create(part)?));
    let mut readers = Vec::new();
    for path in sources {
        readers.push(BundleReader::new(File::open(path)?, Limits::default()));
    }
    for file in layout {
        let mode = if file.is_program() { 0o755 } else { 0o644 };
        match &file.content {
            LayoutContent::Text(text) => append(&mut tar, file, text.len() as u64, mode, text.as_bytes())?,
            LayoutContent::Part { source, location } => {
                let content = readers[*source].open(location)?;
                append(&mut tar, file, location.extent.size, mode, content)?;
            }
        }
    }
    let mut file = tar.into_inner()?;
    file.flush()?;
    file.get_ref().sync_all()
}

fn append(
    tar: &mut tar::Builder<BufWriter<File>>,
    file: &LayoutFile,
    size: u64,
    mode: u32,
    content: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    tar.append_data(&mut header, &file.path, content)
}
