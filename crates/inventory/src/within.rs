//! Credentials inside a longer text: assigned to a name, behind a flag, behind the scheme of an `Authorization` header, or of a
//! form that says what they are.

use crate::credential::{REDACTED, STANDS, is_named};
use crate::entries::without_entries;

/// How far a value without quotes reaches.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Extent {
    /// To the next space: commands, arguments, addresses.
    Word,
    /// To the end of the line where nothing but the name is before it: files of a configuration.
    Line,
}

/// Lines of a configuration that have a space between name and value (redis.conf).
const DIRECTIVES: [&str; 3] = ["requirepass ", "masterauth ", "primaryauth "];

/// How tokens of well-known services begin.
const TOKENS: [&str; 10] =
    ["ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk_live_", "AKIA", "hvs."];

/// Schemes of an `Authorization` header. The first one is looked for without the header, too.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "apikey"];

/// Names that are words of sentences, too, before a colon and a space: `references non-existent secret key: a`.
const PROSE: [&str; 8] = ["key", "keys", "secret", "cert", "certificate", "credential", "credentials", "license"];

/// What the API server says behind a field's path (`field/errors.go` in apimachinery).
const FIELD_ERRORS: [&str; 6] = ["Required", "Invalid", "Unsupported", "Duplicate", "Forbidden", "Not"];

/// A shorter word behind `Bearer` is taken for prose.
const SHORTEST_TOKEN: usize = 6;

/// A text without the credentials in it.
pub(crate) fn without_credentials(text: &str, extent: Extent) -> String {
    if !text.contains([':', '=', '>', '-', ' '])
        && !text.contains("eyJ")
        && !TOKENS.iter().any(|begin| text.contains(begin))
    {
        return text.to_owned();
    }
    // The indent of the name whose value is the more indented lines below it.
    let mut block: Option<usize> = None;
    let lines = text.split('\n').map(|line| {
        let indent = line.len() - line.trim_start().len();
        if block.is_some_and(|of| indent > of) && !line.trim().is_empty() {
            return format!("{}{REDACTED}", &line[..indent]);
        }
        let covered = without_assigned(line, extent);
        block =
            if covered == line && opens_block(line) { Some(indent) } else { block.filter(|_| line.trim().is_empty()) };
        without_entries(&without_tokens(&without_schemes(&behind_flags(&covered))))
    });
    lines.collect::<Vec<String>>().join("\n")
}

/// Whether a line of YAML gives a credential's name the lines below it.
fn opens_block(line: &str) -> bool {
    let line = line.trim().trim_start_matches("- ");
    line.split_once(':').is_some_and(|(name, value)| {
        value.trim().starts_with(['|', '>']) && value.trim().len() <= 3 && is_named(name.trim_matches(['"', '\'']))
    })
}

/// A line without what is assigned to a credential's name, with `=`, `:`, or as an element of XML.
fn without_assigned(line: &str, extent: Extent) -> String {
    if let Some(name) = DIRECTIVES.iter().find(|name| line.trim_start().starts_with(*name)) {
        return format!("{}{name}{REDACTED}", &line[..line.len() - line.trim_start().len()]);
    }
    let mut done = 0;
    let mut all = String::with_capacity(line.len());
    for (at, sign) in line.match_indices([':', '=', '>']) {
        if at < done {
            continue;
        }
        let before = line[..at].trim_end().trim_end_matches(['"', '\'', '\\']);
        let name = &before[before.trim_end_matches(is_part).len()..];
        let is_element = line[..at].ends_with(name) && before[..before.len() - name.len()].ends_with('<');
        if name.is_empty() || (sign == ">" && !is_element) || !is_named(last_part(name)) {
            continue;
        }
        let after = &line[at + 1..];
        let begin = at + 1 + (after.len() - after.trim_start().len());
        let is_shell = sign == "=" && begin == at + 1 && !name.contains(|letter: char| letter.is_lowercase());
        let is_alone = extent == Extent::Line && before.trim_start().len() == name.len() && !is_shell;
        let (begin, end) = if sign == ">" {
            (at + 1, line[at + 1..].find('<').map_or(line.len(), |end| at + 1 + end))
        } else {
            reach(line, begin, is_alone)
        };
        let is_prose = extent == Extent::Word && sign == ":" && begin > at + 1 && PROSE.contains(&name);
        if is_prose || line[begin..].starts_with(STANDS) || is_no_secret(&line[begin..end]) {
            continue;
        }
        all.push_str(&line[done..begin]);
        all.push_str(REDACTED);
        done = end;
    }
    all + &line[done..]
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || "_.-".contains(letter)
}

/// Of `spring.datasource.password` and `-Dspring.datasource.password` what counts.
fn last_part(name: &str) -> &str {
    name.trim_end_matches('.').rsplit('.').next().unwrap_or(name)
}

/// Whether what stands there is a switch, a variable, a path, or redacted already.
fn is_no_secret(value: &str) -> bool {
    let is_path = || value.chars().all(|letter| !letter.is_uppercase() && (is_part(letter) || "/$@:".contains(letter)));
    let variable = value.strip_prefix('$').and_then(|rest| rest.chars().next());
    matches!(value, "" | "true" | "false" | "null" | "~" | "|" | ">" | "|-" | ">-" | REDACTED)
        || value.starts_with(REDACTED)
        || FIELD_ERRORS.contains(&value)
        || value.starts_with(['{', '[', '<'])
        || variable.is_some_and(|letter| letter.is_alphabetic() || "_{(".contains(letter))
        || (value.starts_with('/') && is_path())
}

/// Where a value begins and ends: inside its quotes, which can be escaped; else to the line's end where the name is alone before it,
/// else before a space or a separator.
fn reach(line: &str, begin: usize, is_alone: bool) -> (usize, usize) {
    let rest = &line[begin..];
    for quote in ["\"\"\"", "\\\"", "\"", "'"] {
        if let Some(inside) = rest.strip_prefix(quote) {
            let begin = begin + quote.len();
            return (begin, inside.find(quote).map_or(line.len(), |end| begin + end));
        }
    }
    if is_alone {
        return (begin, begin + rest.trim_end().len());
    }
    let ends = |letter: char| letter.is_whitespace() || ",;&}\"'".contains(letter);
    (begin, begin + rest.find(ends).unwrap_or(rest.len()))
}

/// A line without what stands behind a flag with a credential's name: `--password x`; of `curl -u name:x` the password.
fn behind_flags(line: &str) -> String {
    if !line.contains('-') {
        return line.to_owned();
    }
    let mut all = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) =
        rest.find(" -").map(|at| at + 1).or_else(|| (all.is_empty() && rest.starts_with('-')).then_some(0))
    {
        let length = rest[at..].find(|letter: char| !is_part(letter)).unwrap_or(rest.len() - at);
        let (flag, after) = (&rest[at..at + length], &rest[at + length..]);
        let begin = at + length + (after.len() - after.trim_start().len());
        let is_login = matches!(flag, "-u" | "--user" | "--proxy-user") && line.contains("curl");
        let is_password = matches!(flag, "-a" | "--pass" | "--auth")
            && ["redis-cli", "valkey-cli"].iter().any(|cli| line.contains(cli));
        if !after.starts_with(' ') || !(is_login || is_password || is_named(flag.trim_start_matches('-'))) {
            all.push_str(&rest[..at + length]);
            rest = after;
            continue;
        }
        let (mut begin, end) = reach(rest, begin, false);
        if is_login {
            begin += rest[begin..end].find(':').map_or(end - begin, |colon| colon + 1);
        }
        all.push_str(&rest[..begin]);
        let value = &rest[begin..end];
        let is_kept = value.starts_with('-') || rest[begin..].starts_with(STANDS) || is_no_secret(value);
        all.push_str(if is_kept { value } else { REDACTED });
        rest = &rest[end..];
    }
    all + rest
}

/// A line without what stands behind `Bearer`, or another scheme of an `Authorization` header. The word alone, in a sentence, says
/// nothing: `Bearer tokens`.
fn without_schemes(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    if !lower.contains("authorization") && !lower.contains("bearer ") {
        return line.to_owned();
    }
    let mut all = String::with_capacity(line.len());
    let (mut is_header, mut is_behind) = (false, false);
    for word in line.split_inclusive(' ') {
        let bare = word.trim_end_matches(|letter: char| !letter.is_alphanumeric() && !"=/+".contains(letter));
        let begin = bare.len() - bare.trim_start_matches(['"', '\'', '\\']).len();
        let value = &bare[begin..];
        let is_telling = |letter: char| letter.is_ascii_digit() || letter.is_uppercase();
        let is_token = is_header || (value.len() >= SHORTEST_TOKEN && value.contains(is_telling));
        if is_behind && is_token && !word[begin..].starts_with(REDACTED) && !is_no_secret(value) {
            all.push_str(&word[..begin]);
            all.push_str(REDACTED);
            all.push_str(&word[bare.len()..]);
        } else {
            all.push_str(word);
        }
        let last =
            bare.rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
        is_header = is_header && SCHEMES.contains(&last.as_str());
        is_behind = is_header || last == SCHEMES[0];
        // `Authorization: Basic x`, `Authorization "Basic x"`.
        let after = word[bare.len()..].trim_start_matches(['"', '\'', '\\']);
        is_header |= last == "authorization" && (after.starts_with(':') || rest_begins_quoted(line, word));
    }
    all
}

/// Whether a quote follows a word of a line.
fn rest_begins_quoted(line: &str, word: &str) -> bool {
    line.split_once(word).is_some_and(|(_, rest)| rest.starts_with(['"', '\'', '\\']))
}

/// A line without JSON web tokens (three parts, of which the first is an object in base64) and tokens of well-known services.
fn without_tokens(line: &str) -> String {
    if !line.contains("eyJ") && !TOKENS.iter().any(|begin| line.contains(begin)) {
        return line.to_owned();
    }
    let is_token = |word: &str| {
        (word.starts_with("eyJ") && word.split('.').count() == 3)
            || TOKENS.iter().any(|begin| word.starts_with(begin) && word.len() >= begin.len() + 12)
    };
    let mut all = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(is_part) {
        let end = rest[at..].find(|letter| !is_part(letter)).map_or(rest.len(), |length| at + length);
        all.push_str(&rest[..at]);
        all.push_str(if is_token(&rest[at..end]) { REDACTED } else { &rest[at..end] });
        rest = &rest[end..];
    }
    all + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> String {
        without_credentials(text, Extent::Word)
    }

    #[test]
    fn credentials_in_commands_annotations_and_addresses_go() {
        for (given, kept) in [
            ("PGPASSWORD=S3cret psql -h db", "PGPASSWORD=(redacted) psql -h db"),
            ("export PGPASSWORD='a b'; psql", "export PGPASSWORD='(redacted)'; psql"),
            ("--dir=/data/v1 --password=S3cret", "--dir=/data/v1 --password=(redacted)"),
            ("run --password S3cret --port 1", "run --password (redacted) --port 1"),
            ("--token S3cret", "--token (redacted)"),
            ("run --password 'a b' --port 1", "run --password '(redacted)' --port 1"),
            ("file:///data/v1?password=S3cret&a=b", "file:///data/v1?password=(redacted)&a=b"),
            (
                "proxy_set_header Authorization \"Bearer S3cret\";",
                "proxy_set_header Authorization \"Bearer (redacted)\";",
            ),
            ("curl -H 'Authorization: Basic dTpw' h", "curl -H 'Authorization: Basic (redacted)' h"),
            ("curl -u me:S3cret http://h", "curl -u me:(redacted) http://h"),
            ("with Bearer abcDEF123 in it", "with Bearer (redacted) in it"),
            ("-Dspring.datasource.password=S3cret -Xmx1g", "-Dspring.datasource.password=(redacted) -Xmx1g"),
            (
                "create secret generic x --from-literal=password=S3cret",
                "create secret generic x --from-literal=password=(redacted)",
            ),
            ("{\\\"password\\\":\\\"a, b\\\",\\\"c\\\":1}", "{\\\"password\\\":\\\"(redacted)\\\",\\\"c\\\":1}"),
            ("<user>u</user><password>S3cret</password>", "<user>u</user><password>(redacted)</password>"),
            ("x eyJhbGciOiJI.eyJzdWIi.c2ln y", "x (redacted) y"),
            ("url ghp_0123456789abcdef", "url (redacted)"),
            ("password=/Ab3+x/9", "password=(redacted)"),
            ("password=$2a$10$abc", "password=(redacted)"),
        ] {
            assert_eq!(word(given), kept, "{given}");
            assert_eq!(word(kept), kept, "done twice");
        }
    }

    #[test]
    fn what_is_about_a_credential_stays() {
        for text in [
            "--password-file=/x",
            "--password-file /x",
            "passwordSecretRef: name",
            "tokenReview: true",
            "--password=$PGPASSWORD",
            "--password \"$PGPASSWORD\"",
            "PGPASSWORD=$(cat /run/secrets/pw)",
            "--token --port 1",
            "password: /run/secrets/db-password",
            "Bearer tokens are used",
            "secret \"db\" not found",
            "a - b, --user me",
            "ls -u me:x",
            "http://h:80/a?b=c",
            "echo a > b",
            "references non-existent secret key: password",
            "data.password: Required value",
            "authorization token invalid",
            "?password=the value of password in db",
        ] {
            assert_eq!(word(text), text);
        }
    }

    #[test]
    fn a_configuration_has_values_of_several_words_and_lines() {
        for (given, kept) in [
            ("password: a b\nuser: u", "password: (redacted)\nuser: u"),
            ("password: |\n  a\n  b\nuser: u", "password: |\n  (redacted)\n  (redacted)\nuser: u"),
            ("requirepass a b\nport 1", "requirepass (redacted)\nport 1"),
            ("PGPASSWORD=a pg_ctl -D /data/v2", "PGPASSWORD=(redacted) pg_ctl -D /data/v2"),
        ] {
            assert_eq!(without_credentials(given, Extent::Line), kept);
        }
    }
}
