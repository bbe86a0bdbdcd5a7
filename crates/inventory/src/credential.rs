//! What looks like a credential, and what is put in its place where something is written out for others.
//!
//! Two signs: the name under which a text stands, and that it is the text of a live Secret. A live Secret's text is replaced
//! by a stand-in that names Secret and key, the same in every place, so that what was equal stays equal; anything else by
//! [`REDACTED`]. The lists here are the whole rule.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_model::{Finding, SecretKey};
use serde_json::Value;

use crate::quoted::without_objects;
use crate::within::{Extent, without_credentials};

/// In place of a text that looks like a credential and is no live Secret's.
pub const REDACTED: &str = "(redacted)";

/// Parts of a word that make a name a credential's wherever they stand in it.
const PARTS: [&str; 17] = [
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
    "requirepass",
    "masterauth",
    "primaryauth",
    "fernet",
];

/// Whole words that do.
const WORDS: [&str; 17] = [
    "key", "keys", "pass", "pwd", "pw", "cert", "certs", "crt", "pem", "dsn", "jwt", "bearer", "salt", "pin", "otp",
    "license", "licence",
];

/// Words that do where they are the last one: `RABBITMQ_ERLANG_COOKIE`, not `cookieDomain`.
const LAST: [&str; 2] = ["cookie", "signing"];

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

/// How each stand-in of a live Secret's text begins.
pub(crate) const STANDS: &str = "the value of ";

/// A shorter text is not looked for inside other texts: it would be found everywhere.
const SHORTEST: usize = 6;

/// What another program said, as it may be told where no Secrets are known: the API server, the kubelet, helm.
#[must_use]
pub fn told(said: &str) -> String {
    KnownSecrets::default().told(said)
}

/// What stands in place of the value of a live Secret's key.
#[must_use]
pub fn placeholder(key: &SecretKey) -> String {
    format!("{STANDS}{} in {}", key.key, key.secret.name())
}

/// Whether a text is a stand-in.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    text.strip_prefix(STANDS).and_then(|rest| rest.split_once(" in ")).is_some_and(|(key, secret)| {
        !key.is_empty() && !secret.is_empty() && !key.contains(' ') && !secret.contains(' ')
    })
}

/// Whether a part of a value, also within a longer text, is a stand-in or [`REDACTED`].
#[must_use]
pub fn is_stood_in(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            // "the value of KEY in SECRET" are six words.
            let first = |at: usize| text[at..].split(' ').take(6).collect::<Vec<_>>().join(" ");
            text.contains(REDACTED) || text.match_indices(STANDS).any(|(at, _)| is_placeholder(&first(at)))
        }
        Value::Array(items) => items.iter().any(is_stood_in),
        Value::Object(map) => map.values().any(is_stood_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a name is a credential's: `postgresql.auth.postgresPassword` by its last part, `API_KEY`, `tls.key`.
#[must_use]
pub fn is_named(name: &str) -> bool {
    let words = words(name);
    if is_about(name) {
        return false;
    }
    let whole = words.concat();
    PARTS.iter().any(|part| whole.contains(part))
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || words.last().is_some_and(|last| LAST.contains(&last.as_str()))
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

    /// A text in which credentials may be, such as a command or an annotation; `None` where nothing is found.
    #[must_use]
    pub fn text(&self, text: &str) -> Option<String> {
        self.within(text, Extent::Word)
    }

    /// A file of a configuration; `None` where nothing is found. There a value can have spaces.
    #[must_use]
    pub fn lines(&self, text: &str) -> Option<String> {
        self.within(text, Extent::Line)
    }

    fn within(&self, text: &str, extent: Extent) -> Option<String> {
        if text.contains("PRIVATE KEY-----") {
            return Some(REDACTED.into());
        }
        let covered = without_credentials(&without_userinfo(&self.cover(text)), extent);
        (covered != text).then_some(covered)
    }

    /// Adds what stands under credentials' names in values: helm repeats it where a chart fails.
    #[must_use]
    pub fn and_values(mut self, values: &Value) -> Self {
        self.add_values(values, "", false);
        self.forms.values_mut().for_each(|forms| forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len())));
        self
    }

    fn add_values(&mut self, value: &Value, name: &str, inside: bool) {
        let inside = (inside || is_named(name)) && !is_about(name);
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| self.add_values(value, key, inside)),
            Value::Array(items) => items.iter().for_each(|item| self.add_values(item, name, inside)),
            Value::String(text) if inside => self.add_form(text),
            Value::Number(number) if inside => self.add_form(&number.to_string()),
            _ => {}
        }
    }

    /// A text and what a YAML parser makes of it: it takes what begins with such a letter for an anchor, an alias or a tag.
    fn add_form(&mut self, text: &str) {
        let special = ['*', '&', '!', '@', '%', '`'];
        let rest = text.trim_start_matches(special);
        // Of such a text it names the part up to the next letter that ends an anchor or a tag.
        let part = rest.split(|c: char| c.is_whitespace() || ":[]{},#".contains(c)).next();
        let part = part.filter(|part| rest != text && part.len() >= SHORTEST);
        for form in [Some(text), Some(rest), part].into_iter().flatten() {
            if let Some(first) = form.as_bytes().first_chunk()
                && !is_placeholder(form)
                && !self.names.contains(form)
            {
                self.forms.entry(*first).or_default().push((form.to_owned(), REDACTED.into()));
            }
        }
    }

    /// What another program said, as it may be told: without the objects that it quotes and without credentials.
    #[must_use]
    pub fn told(&self, said: &str) -> String {
        let said = without_objects(&self.cover_cut(said));
        self.text(&said).unwrap_or(said)
    }

    /// A finding with what another program said in it, as it may be told.
    #[must_use]
    pub fn finding(&self, finding: Finding) -> Finding {
        let told = |text: &String| self.told(text);
        Finding {
            found: told(&finding.found),
            why: told(&finding.why),
            next: told(&finding.next),
            evidence: finding.evidence.iter().map(told).collect(),
            ..finding
        }
    }

    /// A text of which a YAML parser shows the beginning: it cuts what it quotes at seven letters (`decode.go` in yaml.v3).
    fn cover_cut(&self, said: &str) -> String {
        let mut parts: Vec<String> = said.split('`').map(str::to_owned).collect();
        for part in parts.iter_mut().skip(1).step_by(2) {
            let Some(begins) = part.strip_suffix("...").filter(|begins| !begins.is_empty()) else { continue };
            if self
                .texts
                .keys()
                .chain(self.forms.values().flatten().map(|(form, _)| form))
                .any(|text| text.starts_with(begins))
            {
                *part = REDACTED.into();
            }
        }
        parts.join("`")
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

#[cfg(test)]
mod tests {
    use portolan_model::Ref;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stand_in_is_found_wherever_it_is() {
        let stands = "the value of password in runai-backend-grafana";
        for value in [
            json!(stands),
            json!("(redacted)"),
            json!([{"url": format!("postgres://grafana:{stands}@db/backend")}]),
            json!({"args": ["--password=(redacted)"]}),
            json!(format!("user: a\npassword: {stands}\n")),
        ] {
            assert!(is_stood_in(&value), "{value}");
        }
        for value in
            [json!("the value of it"), json!("the value of a word in"), json!(null), json!(5), json!({"a": ["b"]})]
        {
            assert!(!is_stood_in(&value), "{value}");
        }
    }

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
        assert_eq!(known.text("-- a=1 --password=b c").as_deref(), Some("-- a=1 --password=(redacted) c"));
        for text in ["password: ${FROM_ENV}", "passwordFile: /run/x", "tokens:", "key: true", "a: b"] {
            assert_eq!(to(text), text);
        }
        assert_eq!(to("-----BEGIN RSA PRIVATE KEY-----\nabc"), REDACTED);
        assert_eq!(to("eyJhbGciOiJI.eyJzdWIi.c2ln"), REDACTED);
    }

    #[test]
    fn what_a_program_said_is_told_without_values_and_objects() {
        let values = serde_json::json!({
            "auth": {"password": "*CANARYyaml", "username": "postgres", "existingSecret": "abcdefgh"},
            "tokens": ["CANARYlist", 8675309, "*CANARYpart: ["], "domain": "a.example",
        });
        let known = known().and_values(&values);
        for (said, told) in [
            ("x.yaml:1:3): password CANARYlist is weak", "x.yaml:1:3): password (redacted) is weak"),
            ("yaml: unknown anchor 'CANARYyaml' referenced", "yaml: unknown anchor '(redacted)' referenced"),
            ("yaml: unknown anchor 'CANARYpart' referenced", "yaml: unknown anchor '(redacted)' referenced"),
            ("cannot unmarshal !!str `CANARYl...` into int", "cannot unmarshal !!str `(redacted)` into int"),
            ("got 8675309, a.example, abcdefgh", "got (redacted), a.example, abcdefgh"),
            ("has Old-pg-7f3a", "has the value of password in db"),
            (
                "Invalid value: {\"Env\":[{\"Name\":\"A\",\"Value\":\"x\"}]}: field is immutable",
                "Invalid value: {...}: field is immutable",
            ),
            ("connect: --password=x", "connect: --password=(redacted)"),
        ] {
            assert_eq!(known.told(said), told);
        }
    }
}
