use std::fmt;

use portolan_model::{Code, Finding};

/// How the address of a registry begins.
pub(super) const OCI: &str = "oci://";

/// The addresses that there are, as what to do next.
const ADDRESSES: &str = "--repo https://HOST/PATH or --repo oci://HOST/PATH";

/// Where charts are kept. Credentials are no part of it, so it may be shown and written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChartSource {
    /// A repository with an `index.yaml`.
    Repository {
        /// Its address, without a slash at its end.
        url: String,
    },
    /// A registry.
    Registry {
        /// Its host, with the port where there is one.
        host: String,
        /// The chart there, or what stands before the names of charts.
        path: String,
    },
}

impl ChartSource {
    /// Reads an address: `https://host/path`, `oci://host/path`, `oci://host/path/chart`.
    ///
    /// # Errors
    /// [`Code::BadOption`] where it is no such address, or has a login, a query or a tag in it.
    pub fn parse(text: &str) -> Result<Self, Finding> {
        let not = |why: &str| {
            Finding::blocking(Code::BadOption, "the address of the chart repository is not usable").with(why)
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(not(&format!("`{text}` is no address")).next(ADDRESSES));
        };
        // From here on the text may hold a secret: it is not shown.
        let rest = rest.trim_end_matches('/');
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(not("there is a login in it, which every user of this machine can see")
                .next("pass --username NAME --password-stdin"));
        }
        if rest.contains(['?', '#']) || rest.chars().any(char::is_whitespace) || host.is_empty() {
            return Err(not("it has a query or a space in it, or no host").next(ADDRESSES));
        }
        match scheme {
            "http" | "https" => Ok(Self::Repository { url: format!("{scheme}://{rest}") }),
            "oci" if path.rsplit('/').next().is_some_and(|last| last.contains(':')) || path.contains('@') => {
                Err(not("there is a tag or a digest in it").next("name the version with --to"))
            }
            "oci" => Ok(Self::Registry { host: host.to_owned(), path: path.to_owned() }),
            _ => Err(not(&format!("`{scheme}` is neither http, https nor oci")).next(ADDRESSES)),
        }
    }

    /// Whether a text is meant as the address of a registry.
    #[must_use]
    pub fn is_registry(text: &str) -> bool {
        text.starts_with(OCI)
    }
}

impl fmt::Display for ChartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository { url } => f.write_str(url),
            Self::Registry { host, path } if path.is_empty() => write!(f, "{OCI}{host}"),
            Self::Registry { host, path } => write!(f, "{OCI}{host}/{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_a_slash_at_its_end() {
        for (text, shown) in [
            ("https://h/charts/", "https://h/charts"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
            ("oci://h:5000/a/control-plane", "oci://h:5000/a/control-plane"),
            ("oci://h", "oci://h"),
        ] {
            assert_eq!(ChartSource::parse(text).expect(text).to_string(), shown);
        }
    }

    #[test]
    fn what_could_hold_a_secret_is_refused_and_not_shown() {
        for text in [
            "https://me:hidden@h/charts",
            "https://h/charts?token=hidden",
            "oci://h/a/b:hidden",
            "oci://h/a/b@sha256:hidden",
            "ftp://h/hidden",
            "https:///hidden",
            "runai-backend",
        ] {
            let finding = ChartSource::parse(text).expect_err(text);
            assert_eq!(finding.code, Code::BadOption);
            assert!(!format!("{finding:?}").contains("hidden"), "{finding:?}");
        }
    }
}
