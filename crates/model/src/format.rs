use serde_json::Value;

/// The version of every format that Portolan keeps on disk: inventory, plan, journal, baseline. A file of another version is
/// refused by [`check_format`]: an upgrade that is under way is finished by the Portolan that began it.
pub const FORMAT: u32 = 2;

/// Why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Another version of Portolan wrote it.
    #[error("it has format {0}, this portolan reads {FORMAT}")]
    Other(u64),
    /// It is something else.
    #[error("it has no `format`")]
    Missing,
}

/// Checks the `format` of a file, before anything else of it is read.
///
/// # Errors
/// [`FormatError`], where it is not [`FORMAT`].
pub fn check_format(file: &Value) -> Result<(), FormatError> {
    match file.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => Ok(()),
        Some(format) => Err(FormatError::Other(format)),
        None => Err(FormatError::Missing),
    }
}
