//! The grammar of `--set` and `--set-string`, as `pkg/strvals/parser.go` has it (helm 3.14.4, 3.22.0 and 4.3.1 agree, but for a line that ends inside the brackets of an index: only helm 3 refuses that).

use serde_json::{Map, Value};

/// An index above this is refused.
const MAX_INDEX: usize = 65_536;

/// A path with more dots than this is refused.
const MAX_DEPTH: usize = 30;

/// Why reading ended early.
enum Stop {
    /// The text is over: not always an error.
    End,
    Error(String),
}

type Step<T> = Result<T, Stop>;

/// Reads a line and puts what it says into `data`; `read` says what the text of a value is.
pub(crate) fn parse_into(text: &str, data: &mut Map<String, Value>, read: fn(String) -> Value) -> Result<(), String> {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, read };
    loop {
        match parser.key(data, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Error(message)) => return Err(message),
        }
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    read: fn(String) -> Value,
}

fn fail<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Error(message.into()))
}

/// An empty key is silently left out.
fn put(data: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

impl Parser {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.get(self.at).copied();
        self.at += usize::from(next.is_some());
        next
    }

    /// The text up to one of the stops (`None` at the end of the line); a backslash takes the next character
    /// as it is.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(next) = self.next() {
            if stops.contains(&next) {
                return (text, Some(next));
            }
            if next == '\\' {
                let Some(escaped) = self.next() else { break };
                text.push(escaped);
            } else {
                text.push(next);
            }
        }
        (text, None)
    }

    fn key(&mut self, data: &mut Map<String, Value>, depth: usize) -> Step<()> {
        let (key, stop) = self.until(&['=', '[', ',', '.']);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => fail(format!("key {key:?} has no value")),
            Some('[') => self.indexed(data, key, depth),
            Some('=') => {
                let (value, end) = self.value()?;
                put(data, key, value);
                if end { Err(Stop::End) } else { Ok(()) }
            }
            Some(',') => fail(format!("key {key:?} has no value (cannot end with ,)")),
            Some(_) => self.nested(data, key, depth + 1),
        }
    }

    /// What follows `key.`.
    fn nested(&mut self, data: &mut Map<String, Value>, key: String, depth: usize) -> Step<()> {
        if depth > MAX_DEPTH {
            return fail(format!(
                "value name nested level is greater than maximum supported nested level of {MAX_DEPTH}"
            ));
        }
        let mut inner = match data.get(&key) {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(_) => {
                return fail(format!("unable to parse key: {key:?} is no map"));
            }
        };
        let result = self.key(&mut inner, depth);
        if result.is_ok() && inner.is_empty() {
            return fail(format!("key map {key:?} has no value"));
        }
        if !inner.is_empty() {
            put(data, key, Value::Object(inner));
        }
        result
    }

    /// What follows `key[`.
    fn indexed(&mut self, data: &mut Map<String, Value>, key: String, depth: usize) -> Step<()> {
        let index = self.index()?;
        let mut list = match data.get(&key) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.clone(),
            Some(_) => {
                return fail(format!("unable to parse key: {key:?} is no list"));
            }
        };
        let result = self.item(&mut list, index, depth);
        put(data, key, Value::Array(list));
        result
    }

    fn index(&mut self) -> Step<usize> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return fail(
                "error parsing index: the line ends inside the brackets, where helm 3 refuses it and helm 4 reads nothing",
            );
        }
        match text.parse::<i64>() {
            Err(_) => fail(format!("error parsing index: {text:?} is no number")),
            Ok(index) if index < 0 => fail(format!("negative {index} index not allowed")),
            Ok(index) => match usize::try_from(index) {
                Ok(index) if index <= MAX_INDEX => Ok(index),
                _ => fail(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}")),
            },
        }
    }

    /// What follows `[index]`. A line that ends within leaves the list as it was: helm loses what it read.
    fn item(&mut self, list: &mut Vec<Value>, index: usize, depth: usize) -> Step<()> {
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return fail(format!("unexpected data at end of array index: {text:?}"));
        }
        let value = match stop {
            None => return Err(Stop::End),
            Some('=') => self.value()?.0,
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get(index) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(inner)) => inner.clone(),
                    Some(_) => return fail(format!("unable to parse key: {index} is no list")),
                };
                self.item(&mut inner, next, depth)?;
                Value::Array(inner)
            }
            Some(_) => {
                let mut inner = match list.get(index) {
                    Some(Value::Object(map)) => map.clone(),
                    _ => Map::new(),
                };
                let result = self.key(&mut inner, depth);
                if let (Err(_), Some(place)) = (&result, list.get_mut(index)) {
                    // Helm's map is the list's own one where the list reaches that far.
                    *place = Value::Object(inner);
                    return result;
                }
                result?;
                Value::Object(inner)
            }
        };
        if list.len() <= index {
            list.resize(index + 1, Value::Null);
        }
        list[index] = value;
        Ok(())
    }

    /// What follows `=`, and whether the line was over at once.
    fn value(&mut self) -> Step<(Value, bool)> {
        match self.chars.get(self.at) {
            None => Ok((Value::String(String::new()), true)),
            Some('{') => {
                self.at += 1;
                Ok((self.list()?, false))
            }
            Some(_) => Ok(((self.read)(self.until(&[',']).0), false)),
        }
    }

    fn list(&mut self) -> Step<Value> {
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return fail("list must terminate with '}'");
            }
            list.push((self.read)(text));
            if stop == Some('}') {
                self.at += usize::from(self.chars.get(self.at) == Some(&','));
                return Ok(Value::Array(list));
            }
        }
    }
}

/// Booleans and null in any case, whole numbers without a leading zero; all else is text.
pub(crate) fn typed(text: String) -> Value {
    for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
        if text.eq_ignore_ascii_case(word) {
            return value;
        }
    }
    if text == "0" {
        return 0.into();
    }
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return number.into();
    }
    Value::String(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tried with `helm template --set` of 3.14.4, 3.22.0 and 4.3.1, which agree: `toJson .Values`.
    const READ: &[(&str, &str)] = &[
        ("a=1", r#"{"a":1}"#),
        ("a=-1", r#"{"a":-1}"#),
        ("a=+5", r#"{"a":5}"#),
        ("a=0", r#"{"a":0}"#),
        ("a=00", r#"{"a":"00"}"#),
        ("a=007", r#"{"a":"007"}"#),
        ("a=-012", r#"{"a":-12}"#),
        ("a=1.5", r#"{"a":"1.5"}"#),
        ("a=1e3", r#"{"a":"1e3"}"#),
        ("a=9223372036854775807", r#"{"a":9223372036854775807}"#),
        ("a=9223372036854775808", r#"{"a":"9223372036854775808"}"#),
        ("a=TRUE,b=False,c=NULL,d=~", r#"{"a":true,"b":false,"c":null,"d":"~"}"#),
        ("a=", r#"{"a":""}"#),
        ("a={}", r#"{"a":[""]}"#),
        ("a={x, y}", r#"{"a":["x"," y"]}"#),
        ("a={x,1,true,null}", r#"{"a":["x",1,true,null]}"#),
        ("a={x},b=1", r#"{"a":["x"],"b":1}"#),
        ("a=b=c", r#"{"a":"b=c"}"#),
        ("a.b=1,a.c=2", r#"{"a":{"b":1,"c":2}}"#),
        ("a.b=1,a=2", r#"{"a":2}"#),
        ("a[1]=x", r#"{"a":[null,"x"]}"#),
        ("a[0].b=1,a[0].c=2", r#"{"a":[{"b":1,"c":2}]}"#),
        ("a[0].b=", r#"{"a":[]}"#),
        ("a[1].b=1,a[0].c=2", r#"{"a":[{"c":2},{"b":1}]}"#),
        ("a[0][1]=x", r#"{"a":[[null,"x"]]}"#),
        ("a[0]", r#"{"a":[]}"#),
        ("a[0]={x,y}", r#"{"a":[["x","y"]]}"#),
        ("a[0]=1,a[2]=3", r#"{"a":[1,null,3]}"#),
        ("", "{}"),
        ("=x", "{}"),
        ("a.", "{}"),
        (".b=1", "{}"),
        ("a=1,", r#"{"a":1}"#),
        (r"a\.b=1", r#"{"a.b":1}"#),
        (r"a=b\,c", r#"{"a":"b,c"}"#),
        (r"a=\{x\}", r#"{"a":"{x}"}"#),
        (r"a={x\,y,z}", r#"{"a":["x,y","z"]}"#),
        (r"a=x\", r#"{"a":"x"}"#),
        (r#"nodeSelector."x"="y""#, r#"{"nodeSelector":{"\"x\"":"\"y\""}}"#),
        (" a= x", r#"{" a":" x"}"#),
        (
            "thanos.query.stores={thanos-grpc-port-forwarder:10901}",
            r#"{"thanos":{"query":{"stores":["thanos-grpc-port-forwarder:10901"]}}}"#,
        ),
        (
            "global.domain=runai.apps.example.com,global.config.kubernetesDistribution=openshift",
            r#"{"global":{"config":{"kubernetesDistribution":"openshift"},"domain":"runai.apps.example.com"}}"#,
        ),
    ];

    /// Refused by the same three.
    const REFUSED: &[(&str, &str)] = &[
        ("a", r#"key "a" has no value"#),
        ("a,", r#"key "a" has no value (cannot end with ,)"#),
        ("a,b=1", r#"key "a" has no value (cannot end with ,)"#),
        ("a=1,,b=2", r#"key "" has no value (cannot end with ,)"#),
        ("a={x}y", r#"key "y" has no value"#),
        ("a={{x}}", r#"key "}" has no value"#),
        ("a={x", "list must terminate with '}'"),
        ("a=2,a.b=1", "unable to parse key"),
        ("a[0]=1,a=2,a[1]=3", "unable to parse key"),
        ("a[-1]=x", "negative -1 index not allowed"),
        ("a[65537]=x", "index of 65537 is greater than maximum supported index of 65536"),
        ("a[x]=1", "error parsing index"),
        ("a[", "error parsing index"),
        ("a[0]b=1", "unexpected data at end of array index"),
        ("a.=1", r#"key map "a" has no value"#),
    ];

    #[test]
    fn a_line_is_read_as_helm_reads_it() {
        for (text, json) in READ {
            let mut map = Map::new();
            assert_eq!(parse_into(text, &mut map, typed), Ok(()), "{text}");
            let want: Value = serde_json::from_str(json).expect("the test's JSON");
            assert_eq!(Value::Object(map), want, "{text}");
        }
    }

    #[test]
    fn what_helm_refuses_is_refused() {
        for (text, message) in REFUSED {
            let error = parse_into(text, &mut Map::new(), typed).expect_err(text);
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let deep = |dots: usize| format!("a{}=1", ".a".repeat(dots));
        assert!(parse_into(&deep(MAX_DEPTH), &mut Map::new(), typed).is_ok());
        assert!(parse_into(&deep(MAX_DEPTH + 1), &mut Map::new(), typed).is_err());
    }

    #[test]
    fn a_second_line_goes_into_the_first() {
        let mut map = Map::new();
        for line in ["a[0]=x", "a[1]=y", "b.c=1", "b.d=2"] {
            assert_eq!(parse_into(line, &mut map, typed), Ok(()));
        }
        let want = r#"{"a":["x","y"],"b":{"c":1,"d":2}}"#;
        assert_eq!(Value::Object(map), serde_json::from_str::<Value>(want).expect("the test's JSON"));
    }
}
