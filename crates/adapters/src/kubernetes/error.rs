use std::error::Error as _;

use portolan_inventory::credential::told;
use portolan_model::{Code, Finding};

/// An error whose words can be told: what the server quotes of objects, and credentials, are taken out. Every answer of the API server
/// that is a failure passes here.
pub(super) fn tellable(error: kube::Error) -> kube::Error {
    let kube::Error::Api(mut status) = error else { return error };
    status.message = told(&status.message);
    for cause in status.details.iter_mut().flat_map(|details| &mut details.causes) {
        cause.message = told(&cause.message);
    }
    kube::Error::Api(status)
}

/// An error of a request, as it is told to people.
#[must_use]
pub fn explain(error: &kube::Error, server: &str) -> Finding {
    let unreachable = |found: String| Finding::blocking(Code::Unreachable, found).with(chain(error));
    let unauthorized = |found: String| Finding::blocking(Code::Unauthorized, found);
    match error {
        kube::Error::Api(status) => match status.code {
            401 => unauthorized(format!("{server} does not accept these credentials")).with(status.message.clone()),
            403 if status.message.contains(NOBODY) => {
                unauthorized(format!("{server} was given no credentials")).with(status.message.clone())
            }
            403 => unauthorized(format!("{server} does not allow this user to do that")).with(status.message.clone()),
            code => Finding::blocking(Code::Unreachable, format!("{server} answers with an error ({code})"))
                .with(status.message.clone()),
        },
        kube::Error::Auth(_) => unauthorized("the kubeconfig's credentials could not be had".into()).with(chain(error)),
        _ => {
            let text = chain(error);
            let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
            if has(&["UnknownIssuer"]) {
                // kubectl takes a server's own certificate for an authority; this TLS library does not.
                unreachable(format!("the certificate of {server} is not signed by an authority that is known here"))
                    .next(
                        "put the certificate of the authority that signed it (not the server's own) into the \
                     kubeconfig's certificate-authority-data",
                    )
            } else if has(&["certificate", "Certificate"]) {
                unreachable(format!("the certificate of {server} is not valid here"))
                    .next("renew it, or name the right server in the kubeconfig")
            } else if has(&["Connection refused"]) {
                unreachable(format!("{server} refuses the connection"))
            } else if has(&["dns error", "failed to lookup"]) {
                unreachable(format!("the name of {server} is not known"))
            } else if has(&["timed out", "deadline has elapsed", TOO_LATE]) {
                unreachable(format!("{server} does not answer in time"))
            } else {
                unreachable(format!("{server} cannot be reached"))
            }
        }
    }
}

/// As whom the server takes a request without credentials.
pub(super) const NOBODY: &str = "system:anonymous";

/// What is said of a request that took longer than we wait.
pub(super) const TOO_LATE: &str = "no answer within";

/// What the server said; else the error and its causes in one line, each said once.
pub(super) fn chain(error: &kube::Error) -> String {
    if let Some(status) = status(error) {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// The status of an answer; `None` where there was no answer.
pub(super) fn status(error: &kube::Error) -> Option<&kube::core::Status> {
    match error {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}

/// Whether a connection broke that had been made: what may work when tried again.
pub(super) fn is_broken(error: &kube::Error) -> bool {
    let broken = matches!(error, kube::Error::HyperError(_) | kube::Error::Service(_));
    // No connection at all is told at once: the address is wrong, or nobody is there.
    broken && !chain(error).contains("(Connect)")
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_the_server_quotes_of_an_object_is_not_told() {
        let said =
            r#"spec.template: Invalid value: {"Env":[{"Name":"PGPASSWORD","Value":"S3cret"}]}: field is immutable"#;
        let status: Status = serde_json::from_value(serde_json::json!({
            "code": 422, "message": said, "details": {"causes": [{"field": "spec.template", "message": said}]},
        }))
        .expect("a status");
        let error = tellable(kube::Error::Api(status.boxed()));
        let status = super::status(&error).expect("an answer");
        let causes = status.details.iter().flat_map(|details| &details.causes).map(|cause| cause.message.as_str());
        for text in causes.chain([status.message.as_str()]) {
            assert_eq!(text, "spec.template: Invalid value: {...}: field is immutable");
        }
    }
}
