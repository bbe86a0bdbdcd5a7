//! From the nodes of a document to its value, as `decode.go` of go-yaml 2.4.0 has it.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Number, Value};

use super::scalar::{self, Scalar};
use super::{Node, NodeId, NodeKind, YamlError};

/// Lists and maps within each other, those behind aliases counted. Go has no limit that a file meets.
const MAX_DEPTH: usize = 600;

/// The value of a node, and of all under it.
pub(super) fn value(nodes: &[Node], root: NodeId) -> Result<Value, YamlError> {
    let mut decoder = Decoder { nodes, open: HashSet::new(), depth: 0, decoded: 0, aliased: 0 };
    decoder.value(root)
}

struct Decoder<'n> {
    nodes: &'n [Node],
    /// The aliases that are being followed.
    open: HashSet<NodeId>,
    depth: usize,
    decoded: u32,
    /// How many of those are behind an alias.
    aliased: u32,
}

/// A map that is being filled, and what each of its keys was before it became text.
#[derive(Default)]
struct Filled {
    map: Map<String, Value>,
    keys: HashMap<String, KeyKind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Text,
    Bool,
    Int,
    Float,
}

impl Decoder<'_> {
    fn value(&mut self, at: NodeId) -> Result<Value, YamlError> {
        self.count(at)?;
        let node = &self.nodes[at];
        match &node.kind {
            NodeKind::Scalar { text, style } => {
                let scalar = scalar::read(text, style).map_err(|message| YamlError::at(node.place, message))?;
                json(scalar).ok_or_else(|| YamlError::at(node.place, "helm takes no infinite number"))
            }
            NodeKind::Alias(target) => self.follow(at, *target, Self::value),
            NodeKind::List(items) => {
                self.enter(at)?;
                let items = items.iter().map(|item| self.value(*item)).collect::<Result<_, _>>()?;
                self.depth -= 1;
                Ok(Value::Array(items))
            }
            NodeKind::Map(entries) => {
                let mut filled = Filled::default();
                self.fill(at, entries, &mut filled)?;
                Ok(Value::Object(filled.map))
            }
        }
    }

    /// Too much behind aliases is refused, by go-yaml's own measure (`allowedAliasRatio`).
    fn count(&mut self, at: NodeId) -> Result<(), YamlError> {
        const LOW: f64 = 400_000.0;
        const HIGH: f64 = 4_000_000.0;
        self.decoded += 1;
        if !self.open.is_empty() {
            self.aliased += 1;
        }
        let decoded = f64::from(self.decoded);
        let allowed = 0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        if self.aliased > 100 && self.decoded > 1000 && f64::from(self.aliased) / decoded > allowed {
            return Err(self.error(at, "document contains excessive aliasing"));
        }
        Ok(())
    }

    fn enter(&mut self, at: NodeId) -> Result<(), YamlError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error(at, "lists and maps are nested too deep")) } else { Ok(()) }
    }

    fn error(&self, at: NodeId, message: impl Into<String>) -> YamlError {
        YamlError::at(self.nodes[at].place, message)
    }

    fn follow<T>(
        &mut self,
        alias: NodeId,
        target: NodeId,
        read: impl FnOnce(&mut Self, NodeId) -> Result<T, YamlError>,
    ) -> Result<T, YamlError> {
        if !self.open.insert(alias) {
            return Err(self.error(alias, "the value of an anchor contains itself"));
        }
        let value = read(self, target)?;
        self.open.remove(&alias);
        Ok(value)
    }

    fn fill(&mut self, at: NodeId, entries: &[(NodeId, NodeId)], filled: &mut Filled) -> Result<(), YamlError> {
        self.enter(at)?;
        for &(key, value) in entries {
            if matches!(&self.nodes[key].kind, NodeKind::Scalar { text, style } if scalar::merges(text, style)) {
                self.merge(value, filled)?;
                continue;
            }
            let (text, kind) = self.key(key)?;
            let value = self.value(value)?;
            if filled.keys.insert(text.clone(), kind).is_some_and(|other| other != kind) {
                let message =
                    format!("the keys \"{text}\" and {text} are one to helm, and which of them wins is chance");
                return Err(self.error(key, message));
            }
            filled.map.insert(text, value);
        }
        self.depth -= 1;
        Ok(())
    }

    /// What `<<` takes in: it goes over what stands before it, and under what comes after.
    fn merge(&mut self, at: NodeId, filled: &mut Filled) -> Result<(), YamlError> {
        let nodes = self.nodes;
        match &nodes[at].kind {
            NodeKind::List(items) => items.iter().rev().try_for_each(|item| self.merge_map(*item, filled)),
            _ => self.merge_map(at, filled),
        }
    }

    fn merge_map(&mut self, at: NodeId, filled: &mut Filled) -> Result<(), YamlError> {
        let nodes = self.nodes;
        self.count(at)?;
        match &nodes[at].kind {
            NodeKind::Map(entries) => self.fill(at, entries, filled),
            NodeKind::Alias(target) if let NodeKind::Map(entries) = &nodes[*target].kind => {
                self.follow(at, *target, |decoder, target| {
                    decoder.count(target)?;
                    decoder.fill(target, entries, filled)
                })
            }
            _ => Err(self.error(at, "map merge requires map or sequence of maps as the value")),
        }
    }

    /// A key as text, as `sigs.k8s.io/yaml` writes it (`yes:` becomes `true`).
    fn key(&mut self, at: NodeId) -> Result<(String, KeyKind), YamlError> {
        self.count(at)?;
        let nodes = self.nodes;
        let unusable = "a key must be text, a number or a boolean";
        let (text, style) = match &nodes[at].kind {
            NodeKind::Scalar { text, style } => (text, style),
            NodeKind::Alias(target) => match &nodes[*target].kind {
                NodeKind::Scalar { text, style } => (text, style),
                _ => return Err(self.error(at, unusable)),
            },
            NodeKind::List(_) | NodeKind::Map(_) => return Err(self.error(at, unusable)),
        };
        match scalar::read(text, style).map_err(|message| self.error(at, message))? {
            Scalar::Text(text) => Ok((text, KeyKind::Text)),
            Scalar::Bool(truth) => Ok((truth.to_string(), KeyKind::Bool)),
            Scalar::Int(number) => Ok((number.to_string(), KeyKind::Int)),
            Scalar::Float(number) => Ok((float_key(number), KeyKind::Float)),
            Scalar::Null | Scalar::Large(_) => Err(self.error(at, unusable)),
        }
    }
}

/// `strconv.FormatFloat(number, 'g', -1, 32)`.
fn float_key(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "it is written as a float32")]
    let number = number as f32;
    if number.is_nan() {
        return ".nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf".into() } else { "-.inf".into() };
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&power) || number == 0.0 {
        return number.to_string();
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// A scalar as JSON; `None` for what JSON has no number for.
fn json(scalar: Scalar) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(truth) => truth.into(),
        Scalar::Int(number) => number.into(),
        Scalar::Large(number) => number.into(),
        Scalar::Float(number) => Value::Number(float(number)?),
        Scalar::Text(text) => text.into(),
    })
}

/// A float as JSON writes it: Go prints `1e3` and `3.0` without a fraction, so a whole number is one.
fn float(value: f64) -> Option<Number> {
    /// Above this a float is no exact whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT && !(value == 0.0 && value.is_sign_negative()) {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and exact below 2^53")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}
