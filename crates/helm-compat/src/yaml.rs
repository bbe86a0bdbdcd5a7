//! YAML as Helm reads it: `sigs.k8s.io/yaml` over go-yaml 2, which knows the booleans and octal numbers of
//! YAML 1.1, lets the last of two equal keys win, and turns every key into text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not YAML, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// Reads all documents of a text; empty ones are left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    // No snippets: an error is shown to people, and the line may hold a password.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        with_snippet: false,
        // The index of a large chart repository has more than the reader allows for by itself.
        budget: serde_saphyr::budget! { max_events: 20_000_000, max_nodes: 5_000_000, max_total_scalar_bytes: 1 << 30 },
    };
    serde_saphyr::from_multiple_with_options::<Yaml>(text, options)
        .map(|docs| docs.into_iter().map(|doc| doc.0).filter(|doc| !doc.is_null()).collect())
        .map_err(|error| {
            let (line, column) = error.location().map_or((0, 0), |at| {
                (usize::try_from(at.line()).unwrap_or_default(), usize::try_from(at.column()).unwrap_or_default())
            });
            let message = error.to_string();
            // The place is a field of ours; the text repeats it at its end.
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(head, _)| head).to_owned();
            YamlError { line, column, message }
        })
}

struct Yaml(Value);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

/// A key: read like a value, then written as text, as `sigs.k8s.io/yaml` does (`yes:` becomes `true`).
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Reader)? {
            Value::String(text) => Ok(Self(text)),
            Value::Bool(truth) => Ok(Self(truth.to_string())),
            Value::Number(number) => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("a key must be text, a number or a boolean")),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Yaml(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((Key(key), Yaml(value))) = access.next_entry()? {
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// A float as JSON writes it: Go prints `1e3` and `3.0` without a fraction, so a whole number is one.
fn number(value: f64) -> Value {
    /// Above this a float is no exact whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and exact below 2^53")]
        return Value::Number(Number::from(value as i64));
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read with `helm template` of 3.14.4, 3.22.0 and 4.3.1, which agree: `toJson .Values`.
    const READ: &[(&str, &str)] = &[
        (
            "b: [y, Y, yes, Yes, YES, on, On, n, N, no, off, OFF, true, TRUE, false]",
            r#"{"b":[true,true,true,true,true,true,true,false,false,false,false,false,true,true,false]}"#,
        ),
        ("u: [~, null, Null, NULL, nUll]\ne:", r#"{"e":null,"u":[null,null,null,null,"nUll"]}"#),
        (
            "o: [0644, 0o644, 0b101, 0x1F, 1_000, 08, 09, 0777, 00, -012, +7, 0x_1f, -0x1f]",
            r#"{"o":[420,420,5,31,1000,8,9,511,0,-10,7,31,-31]}"#,
        ),
        (
            "f: [0.5, .5, 1e3, 1.0, 1.5e-3, 12e03, 1., 1e+3, 1.10, 08.5]",
            r#"{"f":[0.5,0.5,1000,1,0.0015,12000,1,1000,1.1,8.5]}"#,
        ),
        (
            "d: [2001-01-01, 2001-01-01T00:00:00Z, 12:30:45, 190:20:30, 1:30]",
            r#"{"d":["2001-01-01","2001-01-01T00:00:00Z","12:30:45","190:20:30","1:30"]}"#,
        ),
        (r#"s: ["yes", 'no', 1.2.3, v1, "08", =, _1]"#, r#"{"s":["yes","no","1.2.3","v1","08","=","_1"]}"#),
        ("yes: 1\n010: 2\n1e3: 3\n1.5: 4\n2001-01-01: 5", r#"{"true":1,"8":2,"1000":3,"1.5":4,"2001-01-01":5}"#),
        ("y: 1", r#"{"true":1}"#),
        ("dup: 1\ndup: 2\nm: {a: 1, a: 2}", r#"{"dup":2,"m":{"a":2}}"#),
        ("x: &x {p: 1, q: 2}\nm:\n  <<: *x\n  q: 3", r#"{"x":{"p":1,"q":2},"m":{"p":1,"q":3}}"#),
        ("a: |\n  1\n  2\nb: >-\n  c\n  d", r#"{"a":"1\n2\n","b":"c d"}"#),
        ("a: !!binary aGVsbG8=\nb: !!str 12\nc: !!int \"12\"\nd: !!float 3", r#"{"a":"hello","b":"12","c":12,"d":3}"#),
        ("USER-SUPPLIED VALUES:\na: 1", r#"{"USER-SUPPLIED VALUES":null,"a":1}"#),
    ];

    #[test]
    fn text_is_read_as_helm_reads_it() {
        for (text, json) in READ {
            let want: Value = serde_json::from_str(json).expect("the test's JSON");
            assert_eq!(documents(text), Ok(vec![want]), "{text}");
        }
    }

    #[test]
    fn what_helm_refuses_is_refused_with_its_place() {
        for (text, line) in [
            ("a: .nan", 1),
            ("a: 1\n\tb: 2", 1),
            ("a: b: c", 1),
            ("a: *x", 1),
            ("~: 1", 1),
            ("USER-SUPPLIED VALUES:\nnull", 2),
            ("a: @x", 1),
            ("a:\n  b: 1\n c: 2", 3),
        ] {
            let error = documents(text).expect_err(text);
            assert!(error.line >= line, "{text}: {error:?}");
            assert!(!error.message.contains(" at line "), "{error:?}");
        }
    }
}
