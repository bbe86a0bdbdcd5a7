//! Routes and Ingresses: where they lead from, and what came of asking them.

use crate::{Code, Finding, Ref};
use serde::{Deserialize, Serialize};

/// What came of asking for a Route or an Ingress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteLook {
    /// The route.
    pub route: Ref,
    /// The address that was asked; empty where it has none.
    pub address: String,
    /// What was seen.
    #[serde(flatten)]
    pub seen: RouteSeen,
}

/// What a route was seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum RouteSeen {
    /// It answers with a status below 500.
    Answers {
        /// The HTTP status.
        status: u16,
        /// Why its certificate does not verify here; `None` where it does, or there is none.
        certificate: Option<String>,
    },
    /// It answers with a status of 500 or above: of a router 503 says that no backend is ready.
    Fails {
        /// The HTTP status.
        status: u16,
    },
    /// The object is not there, or its router does not admit it.
    Broken {
        /// What is wrong.
        why: String,
    },
    /// It could not be asked from here, which says nothing about its users.
    Unseen {
        /// Why not.
        why: String,
    },
}

impl RouteLook {
    /// What is wrong with it: blocking where nobody can get through it, a warning where it could not be asked.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let Self { route, address, .. } = self;
        match &self.seen {
            RouteSeen::Answers { .. } => None,
            RouteSeen::Fails { status } => Some(
                Finding::blocking(Code::RouteDown, format!("{route} answers with status {status}"))
                    .with(format!("address: {address}")),
            ),
            RouteSeen::Broken { why } => Some(
                Finding::blocking(Code::RouteDown, format!("{route} does not lead to the platform")).with(why.clone()),
            ),
            RouteSeen::Unseen { why } => {
                let finding = Finding::warning(Code::RouteUnseen, format!("{route} cannot be asked from here"));
                let asked = (!address.is_empty()).then(|| format!("address: {address}"));
                Some(asked.into_iter().fold(finding.with(why.clone()), Finding::with))
            }
        }
    }
}
