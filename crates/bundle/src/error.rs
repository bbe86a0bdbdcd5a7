use portolan_model::{Code, Finding};

/// Why a bundle is refused. `at` is a path in the bundle; a path inside a nested archive continues that archive's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is not an archive, or a part of it is damaged.
    #[error("{at} cannot be read: {detail}")]
    Unreadable {
        /// Where.
        at: String,
        /// What the reader found.
        detail: String,
    },
    /// It ends too early.
    #[error("{at} is cut short: {detail}")]
    CutShort {
        /// Where.
        at: String,
        /// What is missing.
        detail: String,
    },
    /// An absolute path, one with `..`, or a link to such a path.
    #[error("{at} has an entry that leads outside of it: {path}")]
    Outside {
        /// Which archive.
        at: String,
        /// The path, or the link and its target.
        path: String,
    },
    /// Two entries with one path, or two images with one name.
    #[error("{at} has two different entries named {name}")]
    Duplicate {
        /// Where.
        at: String,
        /// The path or the image name.
        name: String,
    },
    /// A limit is exceeded.
    #[error("{at} exceeds a limit: {limit}")]
    TooLarge {
        /// Where.
        at: String,
        /// Which limit.
        limit: String,
    },
    /// Content is not what its digest or descriptor says.
    #[error("{at} does not have the {what} that it is listed with: {expected} is expected, {found} is found")]
    Differs {
        /// Where.
        at: String,
        /// `digest` or `size`.
        what: &'static str,
        /// What the bundle says.
        expected: String,
        /// What its content is.
        found: String,
    },
    /// A layer's content is not what the image's configuration says.
    #[error("layer {layer} of {image} does not match the image's configuration: {detail}")]
    LayerDiffers {
        /// Which image.
        image: String,
        /// The layer's path or digest.
        layer: String,
        /// Expected and found.
        detail: String,
    },
    /// An image has no name.
    #[error("image {image} has no name")]
    Unnamed {
        /// Its digest and where it lies.
        image: String,
    },
    /// Content that is referred to is not in the bundle.
    #[error("{at} refers to {what}, which is not in the bundle")]
    Missing {
        /// What refers to it.
        at: String,
        /// What is missing.
        what: String,
    },
    /// Images or charts are said to be where there are none.
    #[error("there are no {what} at {at}")]
    NotThere {
        /// The path in the bundle.
        at: String,
        /// `images` or `charts`.
        what: &'static str,
    },
}

impl BundleError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::BundleUnreadable,
            Self::CutShort { .. } => Code::BundleCutShort,
            Self::Outside { .. } => Code::BundleOutside,
            Self::Duplicate { .. } => Code::BundleDuplicate,
            Self::TooLarge { .. } => Code::BundleTooLarge,
            Self::Differs { .. } => Code::BundleDiffers,
            Self::LayerDiffers { .. } => Code::LayerDiffers,
            Self::Unnamed { .. } => Code::ImageUnnamed,
            Self::Missing { .. } => Code::BundleIncomplete,
            Self::NotThere { .. } => Code::BundleUnrecognized,
        }
    }

    /// The message for people. (An `impl From` would make `?` ambiguous wherever both types are known.)
    #[must_use]
    pub fn finding(&self) -> Finding {
        Finding::blocking(self.code(), self.to_string())
    }

    /// Takes an I/O error apart: our own refusals pass through it from inside a reader.
    pub(crate) fn of_io(at: &str, error: std::io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            let inner = error.into_inner().expect("an error inside was seen");
            return match *inner.downcast::<Self>().expect("its type was seen") {
                // What expands too far does not know where it lies.
                Self::TooLarge { limit, .. } => Self::TooLarge { at: at.to_owned(), limit },
                other => other,
            };
        }
        let detail = error.to_string();
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Self::CutShort { at: at.to_owned(), detail: "it ends in the middle of an entry".into() }
            }
            _ => Self::Unreadable { at: at.to_owned(), detail },
        }
    }
}
