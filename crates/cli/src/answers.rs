//! The file in which a person says what becomes of values that no recipe knows.

use std::io::ErrorKind;
use std::path::Path;

use portolan_model::{Code, Finding, SecretAnswer, ValueAnswer, ValueAnswers, ValuesPath};

use crate::private_file;

/// How such a file begins.
const HEAD: &str = "\
# What becomes of values that are set today and that no recipe knows. It holds no values, so it serves other clusters too.
#   drop            the new chart is not given it
#   keep            the new chart is given it under the same path
#   {to: NEW.PATH}  the new chart is given it under another path
#   {secret: {name: NAME, key: KEY, to: NEW.PATH}}   in its place, the new chart is given what this key of a Secret holds
#   ask             not decided yet: the plan is blocked
";

/// Reads the answers.
///
/// # Errors
/// [`Code::BadValues`] where the file cannot be read, or is no file of answers.
pub(crate) fn read(path: &Path) -> Result<ValueAnswers, Finding> {
    let text = fs_err::read_to_string(path).map_err(|error| bad(path, error.to_string()))?;
    parse(path, &text)
}

/// As [`read`]; no answers where there is no such file yet.
pub(crate) fn read_if_there(path: &Path) -> Result<ValueAnswers, Finding> {
    match fs_err::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(ValueAnswers::default()),
        Err(error) => Err(bad(path, error.to_string())),
        Ok(text) => parse(path, &text),
    }
}

fn parse(path: &Path, text: &str) -> Result<ValueAnswers, Finding> {
    let answers: ValueAnswers = serde_saphyr::from_str(text).map_err(|error| {
        let said = error.to_string();
        bad(path, said.lines().next().unwrap_or_default().to_owned())
    })?;
    if let Some(to) = answers.answers.values().find_map(|answer| match answer {
        ValueAnswer::To(to) | ValueAnswer::Secret(SecretAnswer { to: Some(to), .. }) if !to.is_keys() => Some(to),
        _ => None,
    }) {
        return Err(bad(path, format!("`{to}` is no path of keys such as grafana.dbUser")));
    }
    if answers.format == ValueAnswers::FORMAT {
        return Ok(answers);
    }
    let found = format!("it has format {}; this portolan reads format {}", answers.format, ValueAnswers::FORMAT);
    Err(bad(path, found))
}

/// Adds questions, each with what a recipe knows of it, at the end of the file, which is made where there is none. What stands in
/// it stays as it is.
///
/// # Errors
/// [`Code::CannotWrite`]; [`Code::BadValues`] where lines at its end would not be answers.
pub(crate) fn ask(path: &Path, questions: &[(&ValuesPath, &str)]) -> Result<(), Finding> {
    let before = match fs_err::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!("{HEAD}format: {}\nanswers:\n", ValueAnswers::FORMAT)
        }
        Err(error) => return Err(bad(path, error.to_string())),
        Ok(text) if text.ends_with('\n') => text,
        Ok(text) => format!("{text}\n"),
    };
    let line = |(path, hint): &(&ValuesPath, &str)| {
        let hint = if hint.is_empty() { String::new() } else { format!("   # {hint}") };
        format!("  {}: ask{hint}\n", serde_json::Value::from(path.as_str()))
    };
    let lines: String = questions.iter().map(line).collect();
    let text = format!("{before}{lines}");
    let asked = parse(path, &text)
        .is_ok_and(|all| questions.iter().all(|(question, _)| all.answers.get(*question) == Some(&ValueAnswer::Ask)));
    if !asked {
        return Err(bad(path, "questions cannot be added at its end".into())
            .next(format!("add these lines below `answers:` yourself:\n{lines}")));
    }
    private_file::write(path, text.as_bytes())
}

fn bad(path: &Path, error: String) -> Finding {
    Finding::blocking(Code::BadValues, format!("{} cannot be used as answers", path.display()))
        .with(error)
        .why("a value is taken over only as somebody has decided")
        .next("portolan values --answers FILE writes such a file: an answer is drop, keep, ask or {to: NEW.PATH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_added_and_answers_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("answers.yaml");
        let path = ValuesPath::new;
        let (theme, odd) = (path("frontend.theme"), path(r#"a\.b."c: d""#));
        assert_eq!(read_if_there(&file).expect("there is none yet"), ValueAnswers::default());
        ask(&file, &[(&theme, "")]).expect("it is made");
        let answered = fs_err::read_to_string(&file).expect("it is there").replace("ask\n", "{to: ui.theme} # mine\n");
        // The words that explain the answers are a comment.
        fs_err::write(&file, &answered).expect("it is answered");
        ask(&file, &[(&odd, "it may be x now: see \"y\"")]).expect("it is added");
        let all = read(&file).expect("it is read");
        assert_eq!(all.answers[&theme], ValueAnswer::To(path("ui.theme")));
        assert_eq!(all.answers[&odd], ValueAnswer::Ask);
        assert!(fs_err::read_to_string(&file).expect("it is there").starts_with(&answered));
    }

    #[test]
    fn a_file_whose_answers_were_taken_out_is_asked_into_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("answers.yaml");
        fs_err::write(&file, "format: 1\nanswers:\n").expect("it is made");
        assert!(read(&file).expect("it is read").answers.is_empty());
        let theme = ValuesPath::new("frontend.theme");
        ask(&file, &[(&theme, "")]).expect("it is added");
        assert_eq!(read(&file).expect("it is read").answers[&theme], ValueAnswer::Ask);
    }

    #[test]
    fn what_cannot_be_an_answer_is_refused_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("answers.yaml");
        for text in [
            "format: 2\nanswers: {}\n",
            "format: 1\nanswers: {a: maybe}\n",
            "format: 1\nanswers: [\n",
            "format: 1\nanswers: {a: {to: ''}}\n",
            "format: 1\nanswers: {a: {to: b..c}}\n",
        ] {
            fs_err::write(&file, text).expect("it is written");
            assert_eq!(read(&file).expect_err("it is refused").code, Code::BadValues, "{text}");
        }
        let closed = "format: 1\nanswers: {a: drop}\n";
        fs_err::write(&file, closed).expect("it is written");
        let refused = ask(&file, &[(&ValuesPath::new("b"), "")]).expect_err("lines cannot be added to a closed map");
        assert!(refused.next.contains("\"b\": ask"), "{}", refused.next);
        assert_eq!(fs_err::read_to_string(&file).expect("it is there"), closed);
    }
}
