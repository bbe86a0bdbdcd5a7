//! Reads a vendor's bundle of charts and images where it lies, without unpacking it.
//!
//! A bundle is one file: a tar archive, or a gzip-compressed one, with charts, image archives, a helm binary and scripts in
//! any arrangement. [`read`] recognizes them by their content and returns a [`BundleIndex`]: what the bundle holds, where
//! each part lies in the file, its digest and its size. All content is verified while the index is made. Later reads go by
//! the index: [`BundleReader::open`] reads a part from its place.
//!
//! This crate only needs `Read + Seek`. Files, caches and registries are in `portolan-adapters`.

mod cursor;
mod docker;
mod error;
mod index;
mod layout;
mod limits;
mod media;
mod name;
mod oci;
mod parts;
mod push;
mod read;
mod sniff;
mod store;
mod supply;
mod tarball;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod verify;

pub use cursor::{BundleReader, Extent, Location};
pub use error::BundleError;
pub use index::{
    Blob, BundleIndex, BundledChart, BundledFile, BundledImage, Compression, Document, FileKind, PlatformImage,
};
pub use layout::{LayoutContent, LayoutFile, plan_layout};
pub use limits::Limits;
pub use media::{CompressedLayer, Descriptor, ManifestContent, media_type, with_compressed};
pub use name::ImageName;
pub use parts::BundleParts;
pub use push::{ManifestPush, PushPaths, PushPlan, plan_push};
pub use read::{INDEX_FORMAT, read, read_parts};
pub use supply::BundleSupply;
