//! YAML as Helm reads it: `sigs.k8s.io/yaml` over go-yaml 2, which knows the booleans and octal numbers of
//! YAML 1.1, lets the last of two equal keys win, and turns every key into text.
//!
//! The events are those of a parser; what they mean is worked out here as `decode.go` of go-yaml 2.4.0 does.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value;

mod decode;
mod scalar;
mod strict;

/// Why a text is not YAML, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// It holds nothing of the text, which may be a password.
    pub(crate) message: String,
}

impl YamlError {
    fn at(place: Place, message: impl Into<String>) -> Self {
        Self { line: place.line, column: place.column, message: message.into() }
    }
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn of(mark: &Marker) -> Self {
        Self { line: mark.line(), column: mark.col() + 1 }
    }
}

/// Where a node is among all nodes of a document.
type NodeId = usize;

/// A node of a document before anything is read into it.
struct Node {
    place: Place,
    kind: NodeKind,
}

enum NodeKind {
    Scalar { text: String, style: Style },
    List(Vec<NodeId>),
    Map(Vec<(NodeId, NodeId)>),
    Alias(NodeId),
}

/// How a scalar is written, as far as it says what the scalar is.
enum Style {
    Plain,
    Quoted,
    Tagged(String),
}

/// Reads all documents of a text that helm reads too; empty ones are left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut documents = read(text, Directives::Taken, |_, _| Ok(()))?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// Reads all documents of a text that a person wrote; one without content is a null. What go-yaml refuses or reads
/// otherwise than the parser is refused.
pub(crate) fn strictly(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut strict = strict::Strict::new(text)?;
    let documents = read(text, Directives::Refused, |event, span| strict.look(event, span))?;
    strict.end()?;
    Ok(documents)
}

/// What becomes of lines such as `%YAML 1.1`: helm 3 reads this one and refuses others, helm 4 refuses all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directives {
    Taken,
    Refused,
}

fn read(
    text: &str,
    directives: Directives,
    mut look: impl FnMut(&Event<'_>, &Span) -> Result<(), YamlError>,
) -> Result<Vec<Value>, YamlError> {
    let options = granit_parser::options! {
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
        emit_comments: false,
        emit_anchor_events: true,
        disallow_directives: directives == Directives::Refused,
    };
    let mut documents = Vec::new();
    let mut composer = Composer::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| told(&error))?;
        look(&event, &span)?;
        match event {
            Event::DocumentStart(..) => composer = Composer::default(),
            Event::DocumentEnd => {
                let value = composer.root().map(|root| decode::value(&composer.nodes, root)).transpose()?;
                documents.push(value.unwrap_or_default());
            }
            event => composer.take(event, Place::of(&span.start)),
        }
    }
    Ok(documents)
}

fn told(error: &ScanError) -> YamlError {
    let message = match error.kind() {
        ErrorKind::DirectiveDisallowed => {
            "a line begins with %: helm 3 reads %YAML 1.1 and %TAG, helm 4 refuses all of these; leave the line out"
                .into()
        }
        _ => error.info(),
    };
    YamlError::at(Place::of(error.marker()), message)
}

/// Puts the nodes of a document together.
#[derive(Default)]
struct Composer {
    nodes: Vec<Node>,
    /// The lists and maps that are not at their end.
    open: Vec<(NodeId, Vec<NodeId>)>,
    /// The node of each anchor, by the parser's number.
    anchors: HashMap<usize, NodeId>,
}

impl Composer {
    fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    fn take(&mut self, event: Event<'_>, place: Place) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = match (tag, style) {
                    (Some(tag), _) => Style::Tagged(name(&tag)),
                    (None, ScalarStyle::Plain) => Style::Plain,
                    (None, _) => Style::Quoted,
                };
                let node = self.add(NodeKind::Scalar { text: text.into_owned(), style }, place, anchor);
                self.put(node);
            }
            Event::Alias(anchor) => {
                if let Some(&target) = self.anchors.get(&anchor) {
                    let node = self.add(NodeKind::Alias(target), place, 0);
                    self.put(node);
                }
            }
            Event::SequenceStart(_, anchor, _) => self.begin(NodeKind::List(Vec::new()), place, anchor),
            Event::MappingStart(_, anchor, _) => self.begin(NodeKind::Map(Vec::new()), place, anchor),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => {}
        }
    }

    fn add(&mut self, kind: NodeKind, place: Place, anchor: usize) -> NodeId {
        let node = self.nodes.len();
        self.nodes.push(Node { place, kind });
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        node
    }

    fn begin(&mut self, kind: NodeKind, place: Place, anchor: usize) {
        let node = self.add(kind, place, anchor);
        self.open.push((node, Vec::new()));
    }

    fn end(&mut self) {
        let Some((node, children)) = self.open.pop() else { return };
        match &mut self.nodes[node].kind {
            NodeKind::List(items) => *items = children,
            NodeKind::Map(entries) => {
                *entries = children.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            }
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => {}
        }
        self.put(node);
    }

    fn put(&mut self, node: NodeId) {
        if let Some((_, children)) = self.open.last_mut() {
            children.push(node);
        }
    }
}

/// A tag with its prefix, as go-yaml compares it.
fn name(tag: &Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
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
            // Which of the two values helm takes is chance: the order of a map in Go.
            ("1: a\n'1': b", 2),
            ("yes: a\n'true': b", 2),
            ("1.0: a\n1: b", 2),
        ] {
            let error = documents(text).expect_err(text);
            assert!(error.line >= line, "{text}: {error:?}");
            assert!(!error.message.contains(" at line "), "{error:?}");
        }
    }
}
