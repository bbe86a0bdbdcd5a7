//! Credentials that no name stands before: their place in a line of a well-known file says what they are, or the address that they are
//! part of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::credential::REDACTED;

/// Addresses of hooks whose path is the secret.
const HOOKS: [&str; 4] = [
    "hooks.slack.com/services/",
    "discord.com/api/webhooks/",
    "webhook.office.com/webhookb2/",
    "outlook.office.com/webhook/",
];

/// A line without the credentials in such places.
pub(crate) fn without_entries(line: &str) -> String {
    let line = password_file(line)
        .or_else(|| user_list(line))
        .or_else(|| access_rule(line))
        .unwrap_or_else(|| line.to_owned());
    without_hooks(&without_login(&without_netrc(&line)))
}

/// `.pgpass`: `host:port:database:user:password`.
fn password_file(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.trim().splitn(5, ':').collect();
    let [host, port, database, user, password] = fields.as_slice() else { return None };
    let is_port = *port == "*" || port.parse::<u16>().is_ok();
    let is_word = |field: &&str| {
        !field.is_empty() && !field.contains(|letter: char| letter.is_whitespace() || "/\"'{}=".contains(letter))
    };
    let is_entry = is_port && [host, database, user].into_iter().all(is_word) && !password.is_empty();
    (is_entry && !password.contains(char::is_whitespace)).then(|| format!("{host}:{port}:{database}:{user}:{REDACTED}"))
}

/// `userlist.txt` of `PgBouncer`: `"user" "password"`.
fn user_list(line: &str) -> Option<String> {
    let (user, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
    let password = rest.trim_start().strip_prefix('"')?.strip_suffix('"')?;
    (rest.starts_with(' ') && !password.is_empty() && !password.contains('"'))
        .then(|| format!("\"{user}\" \"{REDACTED}\""))
}

/// An ACL of Redis: `user name on >password ~* +@all`, a digest of it behind `#`.
fn access_rule(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("user ")?;
    let words = rest.split(' ').map(|word| match word.chars().next() {
        Some(sign @ ('>' | '#')) if word.len() > 1 => format!("{sign}{REDACTED}"),
        _ => word.to_owned(),
    });
    let is_rule = rest.split(' ').any(|word| matches!(word, "on" | "off"));
    is_rule.then(|| format!("user {}", words.collect::<Vec<_>>().join(" ")))
}

/// `.netrc`: `machine host login user password word`.
fn without_netrc(line: &str) -> String {
    let is_entry = line.trim_start().starts_with("machine ") || line.trim_start().starts_with("login ");
    match line.split_once("password ").filter(|(before, _)| is_entry || before.trim().is_empty()) {
        Some((before, after)) if !after.trim_start().is_empty() && !after.contains(':') => {
            let rest = after.trim_start().split_once(' ').map_or(String::new(), |(_, rest)| format!(" {rest}"));
            format!("{before}password {REDACTED}{rest}")
        }
        _ => line.to_owned(),
    }
}

/// `"auth": "..."` of a file of docker's: user and password in base64.
fn without_login(line: &str) -> String {
    let Some((before, after)) = line.split_once("\"auth\"") else { return line.to_owned() };
    let open = after.find('"').map_or(after.len(), |at| at + 1);
    let length = after[open..].find('"').unwrap_or(0);
    let text = &after[open..open + length];
    let is_login = STANDARD.decode(text).is_ok_and(|bytes| bytes.contains(&b':'));
    if !is_login {
        return line.to_owned();
    }
    format!("{before}\"auth\"{}{REDACTED}{}", &after[..open], without_login(&after[open + length..]))
}

fn without_hooks(line: &str) -> String {
    let mut line = line.to_owned();
    for hook in HOOKS {
        let Some(at) = line.find(hook).map(|at| at + hook.len()).filter(|at| !line[*at..].starts_with(REDACTED)) else {
            continue;
        };
        let ends = |letter: char| letter.is_whitespace() || "\"',;)}".contains(letter);
        let end = line[at..].find(ends).map_or(line.len(), |length| at + length);
        line.replace_range(at..end, REDACTED);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_well_known_files_lose_their_password() {
        for (given, kept) in [
            ("db:5432:app:me:S3cret", "db:5432:app:me:(redacted)"),
            ("*:*:*:me:a:b", "*:*:*:me:(redacted)"),
            ("\"app\" \"S3cret\"", "\"app\" \"(redacted)\""),
            ("user app on >S3cret ~* +@all", "user app on >(redacted) ~* +@all"),
            ("machine h login u password S3cret", "machine h login u password (redacted)"),
            (
                "{\"auths\":{\"r\":{\"auth\":\"dTpw\"},\"s\":{\"auth\":\"dTpw\"}}}",
                "{\"auths\":{\"r\":{\"auth\":\"(redacted)\"},\"s\":{\"auth\":\"(redacted)\"}}}",
            ),
            ("url: https://hooks.slack.com/services/T0/B0/x", "url: https://hooks.slack.com/services/(redacted)"),
        ] {
            assert_eq!(without_entries(given), kept);
            assert_eq!(without_entries(kept), kept, "done twice");
        }
    }

    #[test]
    fn other_lines_stay() {
        for line in [
            "http://h:80/a:b:c:d",
            "image: registry:5000/a:b",
            "12:30:00 a:b:c d",
            "user nginx;",
            "user app with rights",
            "\"a\": \"b\"",
            "\"auth\": \"basic\"",
            "# the password is in a Secret",
            "password_encryption = scram",
        ] {
            assert_eq!(without_entries(line), line);
        }
    }
}
