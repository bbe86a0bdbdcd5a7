//! Values as arguments of `--set`, where helm renders the same with them as with a values file.

use serde_json::{Value, json};

use super::{flatten, get, parse_set_into, set};
use crate::argv;

/// Values as arguments of `--set`, and those that can only be given in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetList {
    /// Each `PATH=VALUE`, for one `--set`, not quoted for a shell.
    pub arguments: Vec<String>,
    /// The path of each other value, with why a file is needed.
    pub others: Vec<(String, &'static str)>,
}

impl SetList {
    /// Sorts values into both. A value is in [`Self::arguments`] only if `--set` reads exactly it and a template prints it alike.
    #[must_use]
    pub fn of(values: &Value) -> Self {
        let mut list = Self::default();
        for (path, value) in flatten(values) {
            match argument(&path, &value) {
                Ok(argument) => list.arguments.push(argument),
                Err(why) => list.others.push((path, why)),
            }
        }
        list
    }
}

fn argument(path: &str, value: &Value) -> Result<String, &'static str> {
    let text = match value {
        Value::Null => return Err("a null: helm 3.14.4 does not take every default away by it"),
        Value::Object(_) => return Err("--set has no empty map"),
        Value::Array(items) if items.is_empty() => return Err("--set has no empty list"),
        Value::Array(items) if !items.iter().all(argv::is_simple) => {
            return Err("a list of more than plain texts: --set takes it apart, or reads other types");
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(argv::item).collect();
            format!("{{{}}}", items.join(","))
        }
        Value::Bool(is) => is.to_string(),
        Value::Number(number) if argv::is_small(number) => number.to_string(),
        Value::Number(_) => return Err("a number that helm prints in another way out of a file"),
        Value::String(text) => argv::escape(text),
    };
    // A dot and a backslash inside a key are escaped already.
    let key = [',', '=', '['].iter().fold(path.to_owned(), |path, c| path.replace(*c, &format!("\\{c}")));
    let argument = format!("{key}={text}");
    let (mut read, mut wanted) = (json!({}), json!({}));
    set(&mut wanted, path, value.clone());
    match parse_set_into(&argument, &mut read) {
        Ok(()) if read == wanted => Ok(argument),
        Ok(()) if get(&read, path).is_some() => Err("--set reads it as a value of another type"),
        _ => Err("--set cuts its key"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_set_reads_as_it_is_becomes_an_argument() {
        let values = json!({
            "a": {"text": "x,y={z}", "small": 5, "is": false, "list": ["one", "two,three"], "dots": {"a.b": "c"}},
            "number": "007", "true": "true", "big": 29_000_000, "float": 1.5, "none": null, "map": {}, "empty": [],
            "maps": [{"a": 1}], "blank": "", "odd[0]": "x",
        });
        let SetList { arguments, others } = SetList::of(&values);
        for argument in [
            r"a.text=x\,y=\{z\}",
            "a.small=5",
            "a.is=false",
            r"a.list={one,two\,three}",
            r"a.dots.a\.b=c",
            "blank=",
            "number=007",
        ] {
            assert!(arguments.iter().any(|one| one == argument), "{argument} is not in {arguments:?}");
        }
        let others: Vec<&str> = others.iter().map(|(path, _)| path.as_str()).collect();
        for path in ["true", "big", "float", "none", "map", "empty", "maps"] {
            assert!(others.contains(&path), "{path} is not in {others:?}");
        }
        for argument in &arguments {
            let mut read = json!({});
            parse_set_into(argument, &mut read).expect("it is read");
            for (path, value) in flatten(&read) {
                assert_eq!(get(&values, &path), Some(&value), "{argument}");
            }
        }
    }
}
