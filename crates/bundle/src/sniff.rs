//! What some content is, by its first bytes. Names and media types do not decide: tools write wrong ones.

use std::io::Read as _;

use crate::Compression;

/// How many bytes of an entry are looked at.
pub(crate) const HEAD: usize = 4096;

/// What content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sniff {
    Tar,
    /// A gzip stream whose content is a tar archive.
    GzipTar,
    /// Another gzip stream.
    Gzip,
    Zstd,
    /// A JSON object or array.
    Json,
    /// An ELF program.
    Program,
    /// Text that begins with `#!`.
    Script,
    Other,
}

/// Recognizes content by its first bytes, at most [`HEAD`] of them.
pub(crate) fn sniff(head: &[u8]) -> Sniff {
    match compression(head) {
        Compression::Gzip => {
            let mut inner = Vec::new();
            // The head is cut off, so an error at its end says nothing.
            let _ = flate2::read::GzDecoder::new(head).take(512).read_to_end(&mut inner);
            return if is_tar(&inner) { Sniff::GzipTar } else { Sniff::Gzip };
        }
        Compression::Zstd => return Sniff::Zstd,
        Compression::None => {}
    }
    if is_tar(head) {
        return Sniff::Tar;
    }
    if head.starts_with(b"\x7fELF") {
        return Sniff::Program;
    }
    if head.starts_with(b"#!") {
        return Sniff::Script;
    }
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Sniff::Json,
        _ => Sniff::Other,
    }
}

/// How content is compressed (RFC 1952, RFC 8878: the magic numbers).
pub(crate) fn compression(head: &[u8]) -> Compression {
    if head.starts_with(&[0x1f, 0x8b]) {
        Compression::Gzip
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Compression::Zstd
    } else {
        Compression::None
    }
}

/// Whether a block is the header of a tar entry: the checksum holds. Archives from before ustar have no magic.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(block);
    block.iter().any(|byte| *byte != 0) && header.cksum().is_ok_and(|sum| sum == checksum(block))
}

/// The checksum of a tar header: its own field counts as spaces.
pub(crate) fn checksum(block: &[u8]) -> u32 {
    let field = 148..156;
    block.iter().enumerate().map(|(at, byte)| if field.contains(&at) { 32 } else { u32::from(*byte) }).sum()
}
