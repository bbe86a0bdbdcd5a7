//! A database server that is not of the release: where it is and how far it is trusted.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Ref, SecretKey};

/// A server that the release uses and does not run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OutsideServer {
    /// Its name or address, as the release's pods know it: `db.example.com`, `db.shared.svc`.
    pub host: String,
    /// What is asked of its TLS.
    pub ssl_mode: SslMode,
    /// Who has to have signed its certificate; `None` for the authorities that this machine trusts. Only the modes that verify
    /// look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaSource>,
}

/// Where the certificates of authorities are read, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CaSource {
    /// A key of a Secret.
    Secret(SecretKey),
    /// A key of a `ConfigMap`.
    ConfigMap {
        /// The `ConfigMap`.
        object: Ref,
        /// The key.
        key: String,
    },
    /// A file on the machine that runs Portolan.
    File(String),
}

impl fmt::Display for CaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(SecretKey { secret: object, key }) | Self::ConfigMap { object, key } => {
                write!(f, "{key} of {object}")
            }
            Self::File(path) => f.write_str(path),
        }
    }
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it, whatever its certificate: what libpq does unless it is told otherwise.
    #[default]
    Prefer,
    /// TLS, whatever the certificate.
    Require,
    /// TLS, with a certificate that the authority has signed.
    VerifyCa,
    /// The same, and the certificate is for the host.
    VerifyFull,
}

impl SslMode {
    /// As libpq spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl FromStr for SslMode {
    type Err = String;

    /// In any case and with `_` for `-`, as charts and drivers spell it. `allow` is read as `prefer`: both take what the server
    /// offers.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disable" => Ok(Self::Disable),
            "" | "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(format!("`{text}` is no SSL mode of PostgreSQL")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_survives_its_written_form() {
        for mode in [SslMode::Disable, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
            assert_eq!(mode.word().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).expect("a text"), mode.word());
        }
        assert_eq!("VERIFY_FULL".parse(), Ok(SslMode::VerifyFull));
        assert_eq!("allow".parse(), Ok(SslMode::Prefer));
        assert!("true".parse::<SslMode>().is_err());
    }
}
