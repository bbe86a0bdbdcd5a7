//! What looks like a credential, and what is put in its place where something is written out for others.
//!
//! Two signs: the name under which a text stands, and that it is the text of a live Secret. A live Secret's text is replaced
//! by a stand-in that names Secret and key, the same in every place, so that what was equal stays equal; anything else by
//! [`REDACTED`]. The lists here are the whole rule.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_model::SecretKey;

/// In place of a text that looks like a credential and is no live Secret's.
pub const REDACTED: &str = "(redacted)";

/// Parts of a word that make a name a credential's wherever they stand in it.
const PARTS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "connectionstring",
    "certificate",
    "kubeconfig",
    "dockerconfig",
];

/// Whole words that do.
const WORDS: [&str; 17] = [
    "key", "keys", "pass", "pwd", "pw", "cert", "certs", "crt", "pem", "dsn", "jwt", "bearer", "salt", "pin", "otp",
    "license", "licence",
];

/// Words that, last in a name, say that it is about a credential and is none: `secretName`, `passwordFile`.
const ABOUT: [&str; 30] = [
    "name",
    "names",
    "namespace",
    "file",
    "files",
    "path",
    "dir",
    "mount",
    "ref",
    "host",
    "port",
    "enabled",
    "create",
    "length",
    "expiration",
    "ttl",
    "seconds",
    "policy",
    "type",
    "class",
    "provider",
    "image",
    "repository",
    "tag",
    "url",
    "uri",
    "issuer",
    "algorithm",
    "version",
    "mode",
];

/// What a name begins with that names a Secret: `existingSecret`, `imagePullSecrets`.
const NAMING: [&[&str]; 2] = [&["existing"], &["image", "pull"]];

/// The last words of Secrets' keys whose values are no secret: they are kept there beside the password.
const OPEN: [&str; 12] =
    ["user", "username", "host", "hostname", "port", "database", "dbname", "db", "namespace", "region", "type", "name"];

/// A shorter text is not looked for inside other texts: it would be found everywhere.
const SHORTEST: usize = 6;

/// What stands in place of the value of a live Secret's key.
#[must_use]
pub fn placeholder(key: &SecretKey) -> String {
    format!("the value of {} in {}", key.key, key.secret.name())
}

/// Whether a text is a stand-in.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    text.strip_prefix("the value of ").and_then(|rest| rest.split_once(" in ")).is_some_and(|(key, secret)| {
        !key.is_empty() && !secret.is_empty() && !key.contains(' ') && !secret.contains(' ')
    })
}

/// Whether a name is a credential's: `postgresql.auth.postgresPassword` by its last part, `API_KEY`, `tls.key`.
#[must_use]
pub fn is_named(name: &str) -> bool {
    let words = words(name);
    if is_about(name) {
        return false;
    }
    let whole = words.concat();
    PARTS.iter().any(|part| whole.contains(part)) || words.iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a name, inside something that is named like a credential, says something about it only.
#[must_use]
pub fn is_about(name: &str) -> bool {
    let words = words(name);
    words.last().is_some_and(|last| ABOUT.contains(&last.as_str()))
        || NAMING
            .iter()
            .any(|first| words.len() > first.len() && words.iter().zip(*first).all(|(is, first)| is == first))
}

/// Whether the value of a Secret's key is no secret, by the key's name: `username`, `db-host`.
#[must_use]
pub fn is_open(key: &str) -> bool {
    words(key).last().is_some_and(|last| OPEN.contains(&last.as_str()))
}

/// The words of a name, in lower case: `apiKey`, `API_KEY` and `api-key` are the same two.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for letter in name.chars() {
        let begins = !before.is_alphanumeric() || (letter.is_uppercase() && !before.is_uppercase());
        if letter.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if !begins => word.extend(letter.to_lowercase()),
                _ => words.push(letter.to_lowercase().collect()),
            }
        }
        before = letter;
    }
    words
}

/// The texts of a namespace's live Secrets with what stands in their place.
#[derive(Clone, Default)]
pub struct KnownSecrets {
    /// Each text with its stand-in.
    texts: BTreeMap<String, String>,
    /// The texts that are looked for inside others, plain and in base64, by their first bytes; of each the longest first.
    forms: BTreeMap<[u8; SHORTEST], Vec<(String, String)>>,
    /// The names of the Secrets, and of their keys: a value that is one of these is a name.
    names: BTreeSet<String>,
}

impl KnownSecrets {
    /// The texts that are to be hidden. Of keys with the same text the first one stands in for all.
    #[must_use]
    pub fn new<'a>(secrets: impl Iterator<Item = (&'a SecretKey, &'a str)>) -> Self {
        let mut known = Self::default();
        for (key, text) in secrets {
            known.names.insert(key.secret.name().to_owned());
            known.names.insert(key.key.clone());
            if !text.is_empty() && !is_open(&key.key) && !known.texts.contains_key(text) {
                known.texts.insert(text.to_owned(), placeholder(key));
            }
        }
        for (text, stands) in known.texts.iter().filter(|(text, _)| text.len() >= SHORTEST) {
            for (form, stands) in [(text.clone(), stands.clone()), (STANDARD.encode(text), STANDARD.encode(stands))] {
                if let Some(first) = form.as_bytes().first_chunk() {
                    known.forms.entry(*first).or_default().push((form, stands));
                }
            }
        }
        known.forms.values_mut().for_each(|forms| forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len())));
        known
    }

    /// A text that stands by itself under a name; `None` where it may stay. `inside` says that something further out is
    /// named like a credential.
    #[must_use]
    pub fn value(&self, name: &str, inside: bool, text: &str) -> Option<String> {
        if let Some(stands) = self.texts.get(text) {
            return Some(stands.clone());
        }
        if text.is_empty() || text == REDACTED || is_placeholder(text) {
            return None;
        }
        if is_named(name) || (inside && !is_about(name)) {
            return (!self.names.contains(text)).then(|| REDACTED.to_owned());
        }
        self.text(text)
    }

    /// A text in which credentials may be; `None` where nothing is found.
    #[must_use]
    pub fn text(&self, text: &str) -> Option<String> {
        if text.contains("PRIVATE KEY-----") || is_token(text) {
            return Some(REDACTED.into());
        }
        let covered = without_userinfo(&self.cover(text));
        (covered != text).then_some(covered)
    }

    /// Several lines of a configuration: what is assigned to a credential's name goes too.
    #[must_use]
    pub fn lines(&self, text: &str) -> Option<String> {
        let covered = self.text(text).unwrap_or_else(|| text.to_owned());
        let lines: Vec<String> = covered.split('\n').map(without_assigned).collect();
        let covered = lines.join("\n");
        (covered != text).then_some(covered)
    }

    /// The texts of Secrets inside a text, plain and in base64, each as a word of its own.
    fn cover(&self, text: &str) -> String {
        let mut covered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let begins = !covered.ends_with(char::is_alphanumeric);
            let forms = rest.as_bytes().first_chunk().filter(|_| begins).and_then(|first| self.forms.get(first));
            let found = forms.into_iter().flatten().find(|(known, _)| {
                rest.strip_prefix(known.as_str()).is_some_and(|after| !after.starts_with(char::is_alphanumeric))
            });
            if let Some((known, stands)) = found {
                covered.push_str(stands);
                rest = &rest[known.len()..];
            } else {
                covered.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
        covered
    }
}

/// Whether a text is a JSON web token: three parts, of which the first is an object in base64.
fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3 && !text.contains(char::is_whitespace)
}

/// Takes the password out of each URL: `postgres://user:password@host`.
fn without_userinfo(text: &str) -> String {
    let mut parts = text.split("://");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        all.push_str("://");
        let end = part.find(|letter: char| letter.is_whitespace() || "/\"'?#,;".contains(letter)).unwrap_or(part.len());
        let (place, rest) = part.split_at(end);
        match place.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((user, host)) => all.push_str(&format!("{user}:{REDACTED}@{host}{rest}")),
            None => all.push_str(part),
        }
    }
    all
}

/// A line without what is assigned to a credential's name, with `=` or `:`.
fn without_assigned(line: &str) -> String {
    let mut done = 0;
    let mut all = String::with_capacity(line.len());
    for (at, _) in line.match_indices([':', '=']) {
        if at < done {
            continue;
        }
        let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let is_part = |letter: char| letter.is_alphanumeric() || "_.-".contains(letter);
        let name = &before[before.trim_end_matches(is_part).len()..];
        let after = &line[at + 1..];
        if name.is_empty() || !is_named(name.rsplit('.').next().unwrap_or(name)) {
            continue;
        }
        let begin = at + 1 + (after.len() - after.trim_start().len());
        let (begin, end) = extent(line, begin, before.trim_start().len() == name.len());
        let value = &line[begin..end];
        if matches!(value, "" | "true" | "false" | "null" | "|" | ">" | "|-" | REDACTED)
            || is_placeholder(value)
            || value.starts_with(['{', '[', '$', '/'])
        {
            continue;
        }
        all.push_str(&line[done..begin]);
        all.push_str(REDACTED);
        done = end;
    }
    all.push_str(&line[done..]);
    all
}

/// Where a value ends: at its closing quote, else at the line's end where the line is one assignment, else before a space or
/// a separator.
fn extent(line: &str, begin: usize, is_alone: bool) -> (usize, usize) {
    let rest = &line[begin..];
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => (begin + 1, rest[1..].find(quote).map_or(line.len(), |end| begin + 1 + end)),
        _ if is_alone => (begin, begin + rest.trim_end().len()),
        _ => {
            let ends = |letter: char| letter.is_whitespace() || ",;&}".contains(letter);
            (begin, begin + rest.find(ends).unwrap_or(rest.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::Ref;

    use super::*;

    fn key(secret: &str, key: &str) -> SecretKey {
        SecretKey { secret: Ref::secret("ns", secret), key: key.into() }
    }

    fn known() -> KnownSecrets {
        let all = [
            (key("db", "password"), "Old-pg-7f3a"),
            (key("db", "username"), "postgres"),
            (key("other", "copy"), "Old-pg-7f3a"),
            (key("short", "pin"), "1234"),
        ];
        KnownSecrets::new(all.iter().map(|(key, text)| (key, *text)))
    }

    #[test]
    fn names_of_credentials_are_known_and_names_about_them_are_not() {
        for name in [
            "password",
            "postgresPassword",
            "DB_PASSWORD",
            "dbpassword",
            "clientSecret",
            "API_KEY",
            "apikey",
            "key",
            "tls.key",
            "accessToken",
            "dsn",
            "connectionString",
            "caCert",
            "tls-crt",
            "credentials",
            "encryptionKey",
            "licenseKey",
            "passwd",
            "imageRegistryPassword",
        ] {
            assert!(is_named(name), "{name}");
        }
        for name in [
            "keycloak",
            "KEYCLOAK_URL",
            "secretName",
            "existingSecret",
            "passwordFile",
            "imagePullSecrets",
            "domain",
            "replicas",
            "tokenExpirationSeconds",
            "monkey",
            "database",
            "stores",
        ] {
            assert!(!is_named(name), "{name}");
        }
    }

    #[test]
    fn a_live_secrets_text_has_the_same_stand_in_everywhere() {
        let known = known();
        let stands = "the value of password in db";
        assert_eq!(known.value("anything", false, "Old-pg-7f3a").as_deref(), Some(stands));
        assert_eq!(known.text("a=Old-pg-7f3a;").as_deref(), Some(format!("a={stands};").as_str()));
        assert_eq!(known.text("T2xkLXBnLTdmM2E=").as_deref(), Some(STANDARD.encode(stands).as_str()));
        assert!(is_placeholder(stands) && !is_placeholder("the value of it"));
        // No word of its own, a short one inside another, and the name of an account.
        for text in ["xOld-pg-7f3a", "a 1234 b", "postgres"] {
            assert_eq!(known.text(text), None, "{text}");
        }
        assert_eq!(known.value("anything", false, "1234").as_deref(), Some("the value of pin in short"));
        // Done once, it stays as it is.
        assert_eq!(known.value("password", false, stands), None);
    }

    #[test]
    fn a_value_goes_by_its_name_unless_it_names_a_secret() {
        let known = known();
        assert_eq!(known.value("password", false, "x").as_deref(), Some(REDACTED));
        assert_eq!(known.value("user", true, "x").as_deref(), Some(REDACTED));
        assert_eq!(known.value("secretName", true, "x"), None);
        assert_eq!(known.value("passwordKey", false, "password"), None, "the key of a Secret");
        assert_eq!(known.value("secret", false, "db"), None, "a Secret");
        assert_eq!(known.value("domain", false, "a.b"), None);
    }

    #[test]
    fn credentials_inside_texts_are_found() {
        let known = known();
        let to = |text: &str| known.lines(text).unwrap_or_else(|| text.to_owned());
        assert_eq!(to("postgres://u:hunter2@h:5432/d"), "postgres://u:(redacted)@h:5432/d");
        assert_eq!(to("http://h:80/a@b"), "http://h:80/a@b");
        assert_eq!(to("user: a\n  password: b c\n"), "user: a\n  password: (redacted)\n");
        assert_eq!(to("{\"password\": \"b, c\", \"a\": 1}"), "{\"password\": \"(redacted)\", \"a\": 1}");
        assert_eq!(to("host=h password=b sslmode=off"), "host=h password=(redacted) sslmode=off");
        assert_eq!(to("spring.datasource.password=b=c"), "spring.datasource.password=(redacted)");
        for text in ["password: ${FROM_ENV}", "passwordFile: /run/x", "tokens:", "key: true", "a: b"] {
            assert_eq!(to(text), text);
        }
        assert_eq!(to("-----BEGIN RSA PRIVATE KEY-----\nabc"), REDACTED);
        assert_eq!(to("eyJhbGciOiJI.eyJzdWIi.c2ln"), REDACTED);
    }
}
