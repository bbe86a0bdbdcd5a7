//! How a registry says who may push.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use serde::Deserialize;

/// What a registry asks for (RFC 9110, section 11; distribution's `docs/content/spec/auth/token.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with every request.
    Basic,
    /// A token from another service.
    Bearer {
        /// That service's address.
        realm: String,
        /// What the token is for.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge of a response that refuses. A token is preferred.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let challenges = http_auth::parse_challenges(value.to_str().ok()?).ok()?;
            for challenge in challenges {
                let parameter = |wanted: &str| {
                    let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    if let Some(realm) = parameter("realm") {
                        return Some(Self::Bearer { realm, service: parameter("service") });
                    }
                } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        basic
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reading.
    Pull,
    /// Pushing to the first of several repositories, and reading the others.
    Push,
}

/// What a token is asked for.
pub(super) fn scope(purpose: Purpose, repositories: &[&str]) -> String {
    let actions = |at: usize| if at == 0 && purpose == Purpose::Push { "pull,push" } else { "pull" };
    let scopes = repositories.iter().enumerate().map(|(at, name)| format!("repository:{name}:{}", actions(at)));
    scopes.collect::<Vec<_>>().join(" ")
}

/// The parameters of a token request.
pub(super) fn scopes(scope: &str) -> impl Iterator<Item = (&'static str, &str)> {
    scope.split(' ').map(|scope| ("scope", scope))
}

/// The token in an answer.
pub(super) fn token(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(text).ok()?;
    answer.token.or(answer.access_token).filter(|token| !token.is_empty())
}

/// What a registry's error says, in one line.
pub(super) fn errors(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope: Envelope = serde_json::from_slice(text).ok()?;
    let all: Vec<String> =
        envelope.errors.iter().take(3).map(|error| format!("{} {}", error.code, error.message)).collect();
    Some(all.join("; ").chars().filter(|letter| !letter.is_control()).take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_its_token_service() {
        let of = |text: &'static str| {
            Challenge::of(&HeaderMap::from_iter([(WWW_AUTHENTICATE, text.parse().expect("a header"))]))
        };
        let bearer = of(r#"Bearer realm="https://a/token?x=1",service="r, x",scope="repository:a:pull""#);
        let realm = "https://a/token?x=1".to_owned();
        assert_eq!(bearer, Some(Challenge::Bearer { realm, service: Some("r, x".to_owned()) }));
        assert_eq!(of("Basic realm=\"r\""), Some(Challenge::Basic));
        assert_eq!(of("Negotiate"), None);
    }

    #[test]
    fn a_token_is_for_pushing_here_and_reading_there() {
        assert_eq!(scope(Purpose::Push, &["a/b", "c"]), "repository:a/b:pull,push repository:c:pull");
        assert_eq!(scope(Purpose::Pull, &["a/b"]), "repository:a/b:pull");
        assert_eq!(token(br#"{"access_token": "t"}"#).as_deref(), Some("t"));
        assert_eq!(token(b"{}"), None);
        assert_eq!(errors(br#"{"errors": [{"code": "DENIED", "message": "no"}]}"#).as_deref(), Some("DENIED no"));
    }
}
