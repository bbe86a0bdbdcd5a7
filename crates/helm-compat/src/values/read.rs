//! Reading values files. Where the helms read a file in different ways it is refused: what it means would depend on the
//! machine that the upgrade is typed on.

use serde_json::{Map, Value};

use super::ValuesError;
use crate::yaml;

/// The line that `helm get values` prints before the values where it is not told `-o yaml`.
pub const HEADING: &str = "USER-SUPPLIED VALUES:";

/// The same with `--all`.
const HEADING_OF_ALL: &str = "COMPUTED VALUES:";

const HEADINGS: [&str; 2] = [HEADING, HEADING_OF_ALL];

/// A values file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuesFile {
    /// Its values; an object.
    pub values: Value,
    /// The heading of `helm get values` that it holds, and that was left out: helm takes it for a key.
    pub heading: Option<&'static str>,
}

/// Reads a values file as a person wrote or saved it: the heading of `helm get values` is left out.
///
/// # Errors
/// As [`parse`], and where it is not UTF-8.
pub fn read(bytes: &[u8], file: &str) -> Result<ValuesFile, ValuesError> {
    let failed =
        |line, column, message: &str| ValuesError { file: file.to_owned(), line, column, message: message.into() };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(failed(0, 0, "it is UTF-16: helm 3 reads that, helm 4 refuses most such files; save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        failed(line, 1, "it is not UTF-8, which helm refuses; save it as UTF-8")
    })?;
    let (mut values, mut found) = match heading(text) {
        Some((start, heading)) => {
            // A comment in its place leaves the numbers of the lines as they are.
            let text = format!("{}#{}", &text[..start], &text[start + heading.len()..]);
            (parse(&text, file)?, Some(heading))
        }
        None => (parse(text, file)?, None),
    };
    for heading in HEADINGS {
        // Saved from a release that has it already.
        if has_heading(&values, heading)
            && let Value::Object(map) = &mut values
        {
            map.remove(key(heading));
            found = Some(heading);
        }
    }
    Ok(ValuesFile { values, heading: found })
}

/// The heading that values hold as a key without a value: a file that begins with it was given to helm once.
#[must_use]
pub fn stored_heading(values: &Value) -> Option<&'static str> {
    HEADINGS.into_iter().find(|heading| has_heading(values, heading)).map(key)
}

fn has_heading(values: &Value, heading: &str) -> bool {
    values.get(key(heading)) == Some(&Value::Null)
}

fn key(heading: &str) -> &str {
    heading.trim_end_matches(':')
}

/// Where the heading is: on the first line that is not blank, a comment or the begin of a document.
fn heading(text: &str) -> Option<(usize, &'static str)> {
    let text_start = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut start = text_start;
    for line in text[text_start..].split_inclusive('\n') {
        let words = line.trim_end();
        if !(words.is_empty() || words.starts_with('#') || words == "---") {
            return HEADINGS.into_iter().find(|heading| words == *heading).map(|heading| (start, heading));
        }
        start += line.len();
    }
    None
}

/// Reads the text of a values file. An empty one gives an empty object.
///
/// # Errors
/// Where it is no YAML, or no map, and where helm 3 and helm 4 read different values from it: helm 3 reads the first
/// document only, helm 4 lays each over the one before (`LoadValues` in `pkg/chart/v2/loader/load.go`, helm 4.3.1)
/// and ends the last line with a newline.
pub fn parse(text: &str, file: &str) -> Result<Value, ValuesError> {
    let failed = |line, column, message: String| ValuesError { file: file.to_owned(), line, column, message };
    let strictly = |text: &str| yaml::strictly(text).map_err(|error| failed(error.line, error.column, error.message));
    let documents = strictly(text)?;
    if !text.is_empty() && !text.ends_with('\n') && strictly(&format!("{text}\n"))? != documents {
        let message = "it ends within a block of text and without a newline: helm 3 reads the block without its last line \
                       break, helm 4 with one; end the file with a newline";
        return Err(failed(text.lines().count(), 1, message.into()));
    }
    let full = documents.iter().filter(|document| !document.is_null()).count();
    let mut documents = documents.into_iter();
    match documents.next() {
        None | Some(Value::Null) if full == 0 => Ok(Value::Object(Map::new())),
        None | Some(Value::Null) => {
            let message = "its first YAML document is empty: helm 3 reads no values from it, helm 4 reads those after the \
                           next `---`; leave out the first `---`";
            Err(failed(0, 0, message.into()))
        }
        Some(_) if full > 1 => {
            let message = "it has several YAML documents: helm 3 reads the first one only, helm 4 lays each over the one \
                           before it; put each into a file of its own, and name these with -f in that order";
            Err(failed(0, 0, message.into()))
        }
        Some(document) if document.is_object() => Ok(document),
        Some(_) => Err(failed(1, 1, "it is not a map of values".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_is_a_map_or_empty() {
        assert_eq!(parse("", "v"), Ok(json!({})));
        assert_eq!(parse("# nothing\n", "v"), Ok(json!({})));
        assert_eq!(parse("---\na: yes\n", "v"), Ok(json!({"a": true})));
        let error = parse("a: 1\nb: c: d\n", "v.yaml").expect_err("it is no YAML");
        assert_eq!((error.line, error.file.as_str()), (2, "v.yaml"));
        assert!(error.to_string().starts_with("v.yaml:2:"), "{error}");
        assert!(parse("- a\n", "v").is_err());
    }

    #[test]
    fn what_the_helms_read_in_different_ways_is_refused_with_the_reason() {
        for (text, says) in [
            ("a: 1\n---\nb: 2\n", "helm 3 reads the first one only"),
            ("---\n---\na: 1\n", "leave out the first `---`"),
            ("a: |\n  b", "end the file with a newline"),
        ] {
            let error = read(text.as_bytes(), "v").expect_err(text);
            assert!(error.message.contains(says), "{text}: {error}");
        }
        for (text, values) in
            [("a: 1\n---\n", json!({"a": 1})), ("a: |-\n  b", json!({"a": "b"})), ("a: b", json!({"a": "b"}))]
        {
            assert_eq!(parse(text, "v"), Ok(values), "{text}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain("a: 1\n".bytes().flat_map(|byte| [byte, 0])).collect();
        assert!(read(&wide, "v").expect_err("it is UTF-16").message.contains("helm 4 refuses"));
        let error = read(b"a: 1\nb: \xe9\n", "v").expect_err("it is Latin 1");
        assert_eq!(error.line, 2);
        assert_eq!(read("\u{feff}a: 1\n".as_bytes(), "v").map(|file| file.values), Ok(json!({"a": 1})));
    }

    #[test]
    fn the_heading_of_helm_get_values_is_left_out() {
        for (text, heading, values) in [
            ("USER-SUPPLIED VALUES:\na: 1\n", Some(HEADING), json!({"a": 1})),
            ("USER-SUPPLIED VALUES:\r\na: 1\r\n", Some(HEADING), json!({"a": 1})),
            ("\u{feff}# saved\n---\nUSER-SUPPLIED VALUES:\na: 1\n", Some(HEADING), json!({"a": 1})),
            ("USER-SUPPLIED VALUES:\nnull\n", Some(HEADING), json!({})),
            ("USER-SUPPLIED VALUES:\n{}\n", Some(HEADING), json!({})),
            ("USER-SUPPLIED VALUES:", Some(HEADING), json!({})),
            ("COMPUTED VALUES:\na: 1\n", Some(HEADING_OF_ALL), json!({"a": 1})),
            ("USER-SUPPLIED VALUES: null\na: 1\n", Some(HEADING), json!({"a": 1})),
            ("USER-SUPPLIED VALUES: 1\na: 1\n", None, json!({"USER-SUPPLIED VALUES": 1, "a": 1})),
            ("a: 1\n", None, json!({"a": 1})),
        ] {
            assert_eq!(read(text.as_bytes(), "v"), Ok(ValuesFile { values, heading }), "{text}");
        }
        let error = read(b"USER-SUPPLIED VALUES:\na: b: c\n", "v").expect_err("it is no YAML");
        assert_eq!(error.line, 2);
    }
}
