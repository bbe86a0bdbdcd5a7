//! What a bundle holds.

use portolan_bundle::{BundleIndex, FileKind};
use portolan_model::Digest;

use crate::page::{Block, Document, Table};
use crate::words::count;

/// How many files of no known kind are listed by name.
const LISTED: usize = 20;

/// The charts, images and files of a bundle.
#[must_use]
pub fn bundle(index: &BundleIndex) -> Document {
    let mut page = Document::default();
    if !index.charts.is_empty() {
        let mut table = Table::new(&["CHART", "VERSION", "PATH"]);
        for chart in &index.charts {
            let path = if chart.path.is_empty() { "the bundle itself" } else { &chart.path };
            table.rows.push(vec![chart.name.as_str().into(), chart.version.as_str().into(), path.into()]);
        }
        page.push(Block::Table(table));
    }
    if !index.images.is_empty() {
        page.push(Block::Table(images(index)));
    }
    let notes: Vec<String> = index
        .images
        .iter()
        .flat_map(|image| image.notes.iter().map(move |note| format!("{}: {note}", name(image))))
        .collect();
    for note in notes {
        page.say(note);
    }
    files(index, &mut page);
    let stored: u64 = index.blobs.values().map(portolan_bundle::Blob::size).sum();
    page.say(format!(
        "{}, {}; {} of content, each part once. {}",
        count(index.charts.len(), "chart"),
        count(index.images.len(), "image"),
        bytes(stored),
        verified(index.blobs.values().filter(|blob| is_unread(blob)).count())
    ));
    page
}

/// Whether the content of a layer was not compared with what its image says of it: Portolan does not read zstd.
fn is_unread(blob: &portolan_bundle::Blob) -> bool {
    blob.compression == portolan_bundle::Compression::Zstd && blob.diff_id.is_none()
}

/// What was verified, where so many layers could not be read.
fn verified(unread: usize) -> String {
    match unread {
        0 => "All of it was verified.".into(),
        unread => format!(
            "Every digest was verified, but not what {} compressed with zstd {}.",
            count(unread, "layer"),
            if unread == 1 { "expands to" } else { "expand to" }
        ),
    }
}

fn name(image: &portolan_bundle::BundledImage) -> String {
    image.names.first().map_or_else(|| format!("(no name) {}", image.manifest), ToString::to_string)
}

fn images(index: &BundleIndex) -> Table {
    let mut table = Table::new(&["IMAGE", "PLATFORM", "SIZE", "CONFIG"]).right(2);
    for image in &index.images {
        for (at, platform) in image.platforms.iter().enumerate() {
            let shown = if at == 0 { name(image) } else { String::new() };
            table.rows.push(vec![
                shown.into(),
                platform.platform.as_str().into(),
                bytes(platform.size).into(),
                platform.config.short().into(),
            ]);
        }
        for other in image.names.iter().skip(1) {
            table.rows.push(vec![other.to_string().into(), "the same".into(), "".into(), "".into()]);
        }
    }
    table
}

fn files(index: &BundleIndex, page: &mut Document) {
    let (known, other): (Vec<_>, Vec<_>) = index.files.iter().partition(|file| file.kind != FileKind::Other);
    if index.files.is_empty() {
        return;
    }
    let mut table = Table::new(&["FILE", "SIZE", "WHAT IT IS"]).right(1);
    for file in known.iter().chain(other.iter().take(LISTED)) {
        let what = match file.kind {
            FileKind::Helm => "helm program",
            FileKind::Script => "script; Portolan does not run it",
            FileKind::Other => "not recognized",
        };
        table.rows.push(vec![file.path.as_str().into(), bytes(file.size).into(), what.into()]);
    }
    page.push(Block::Table(table));
    if let more @ 1.. = other.len().saturating_sub(LISTED) {
        page.say(format!("{} more not recognized: -o json lists all.", count(more, "file")));
    }
}

/// What a push did.
#[must_use]
pub fn pushed(report: &Pushed<'_>) -> Document {
    let mut page = Document::default();
    let mut table = Table::new(&["TAG", "DIGEST", "BEFORE"]);
    for (name, digest, before) in &report.tags {
        table.rows.push(vec![(*name).into(), digest.short().into(), before.as_str().into()]);
    }
    page.push(Block::Table(table));
    page.say(format!(
        "{} sent ({}), {} taken from another repository, {} already there. Every manifest was read back.",
        count(report.sent, "blob"),
        bytes(report.bytes),
        report.mounted,
        report.present
    ));
    if report.not_asked > 0 {
        page.say(format!(
            "The layers of {} that the registry had already were not asked for; --check-layers asks for each.",
            count(report.not_asked, "image")
        ));
    }
    page
}

/// What [`pushed`] shows.
pub struct Pushed<'a> {
    /// Name and digest of each tag, and what it stood for before.
    pub tags: Vec<(&'a str, &'a Digest, String)>,
    /// Blobs that were sent.
    pub sent: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were taken from another repository.
    pub mounted: usize,
    /// Blobs that were there.
    pub present: usize,
    /// Images that were there, whose blobs were not asked for.
    pub not_asked: usize,
}

/// A number of bytes for people: `12.3 MB`, in powers of 1000.
#[must_use]
pub fn bytes(number: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenth, mut unit) = (number, 0, 0);
    while whole >= 1000 && unit + 1 < units.len() {
        tenth = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 { format!("{whole} B") } else { format!("{whole}.{tenth} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        for (number, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (4_000_000_000, "4.0 GB")]
        {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn what_was_not_read_is_not_called_verified() {
        assert_eq!(verified(0), "All of it was verified.");
        assert_eq!(verified(2), "Every digest was verified, but not what 2 layers compressed with zstd expand to.");
    }
}
