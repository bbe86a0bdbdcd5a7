//! The picture of the crates in `ARCHITECTURE.md`: which crate uses which, drawn from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Each crate of the workspace with the crates of the workspace that it uses outside its tests.
type Graph = BTreeMap<String, BTreeSet<String>>;

const BOX: (usize, usize) = (124, 34);
const GAP: (usize, usize) = (20, 46);
const MARGIN: usize = 16;

/// The picture as SVG. An arrow that follows from two others is left out.
pub(crate) fn svg(root: &Path) -> Result<String> {
    Ok(draw(&reduced(&graph(root)?)))
}

fn graph(root: &Path) -> Result<Graph> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()?;
    ensure!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let all = package["dependencies"].as_array().into_iter().flatten();
        all.filter(|dependency| dependency["kind"].is_null()).map(name).filter(|name| ours.contains(name)).collect()
    };
    Ok(packages.iter().map(|package| (name(package), uses(package))).collect())
}

/// The graph without the arrows that a longer way replaces.
fn reduced(graph: &Graph) -> Graph {
    let behind: BTreeMap<&String, BTreeSet<&String>> = graph.keys().map(|name| (name, reached(graph, name))).collect();
    let direct = |uses: &BTreeSet<String>| {
        uses.iter().filter(|name| !uses.iter().any(|other| behind[other].contains(name))).cloned().collect()
    };
    graph.iter().map(|(name, uses)| (name.clone(), direct(uses))).collect()
}

fn reached<'a>(graph: &'a Graph, from: &String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&String> = graph[from].iter().collect();
    while let Some(name) = next.pop() {
        if found.insert(name) {
            next.extend(&graph[name]);
        }
    }
    found
}

/// The length of the longest way down from a crate.
fn depth(graph: &Graph, name: &str) -> usize {
    graph[name].iter().map(|used| 1 + depth(graph, used)).max().unwrap_or(0)
}

fn draw(graph: &Graph) -> String {
    let mut rows: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for name in graph.keys() {
        rows.entry(depth(graph, name)).or_default().push(name);
    }
    let widest = rows.values().map(Vec::len).max().unwrap_or(1);
    let across = |boxes: usize| boxes * BOX.0 + boxes.saturating_sub(1) * GAP.0;
    let width = 2 * MARGIN + across(widest);
    let height = 2 * MARGIN + rows.len() * BOX.1 + rows.len().saturating_sub(1) * GAP.1;
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (from_top, names) in rows.values().rev().enumerate() {
        let left = MARGIN + (across(widest) - across(names.len())) / 2;
        for (at, name) in names.iter().enumerate() {
            places.insert(name, (left + at * (BOX.0 + GAP.0), MARGIN + from_top * (BOX.1 + GAP.1)));
        }
    }
    let mut out = format!(
        "<svg width=\"{width}px\" height=\"{height}px\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <title>The crates of Portolan: an arrow leads from a crate to one that it uses</title>\n\
         <style>rect {{ fill: #1b2027; rx: 5 }} text {{ fill: #e2e6eb; font: 13px monospace; text-anchor: middle }} \
         line {{ stroke: #7d8894 }} path {{ fill: #7d8894 }}</style>\n\
         <defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M 0 0 L 8 4 L 0 8 z\"/></marker></defs>\n"
    );
    for (name, uses) in graph {
        for used in uses {
            let ((x1, y1), (x2, y2)) = (places[name.as_str()], places[used.as_str()]);
            let half = BOX.0 / 2;
            let _ = writeln!(
                out,
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{y2}\" marker-end=\"url(#to)\"/>",
                x1 + half,
                y1 + BOX.1,
                x2 + half
            );
        }
    }
    for (name, (x, y)) in &places {
        let label = name.strip_prefix("portolan-").unwrap_or(name);
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\"/><text x=\"{}\" y=\"{}\">{label}</text>",
            BOX.0,
            BOX.1,
            x + BOX.0 / 2,
            y + BOX.1 / 2 + 5
        );
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_follows_from_two_others_is_left_out() {
        let uses = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let graph = Graph::from([
            ("cli".into(), uses(&["plan", "model"])),
            ("plan".into(), uses(&["model"])),
            ("model".into(), uses(&[])),
        ]);
        let reduced = reduced(&graph);
        assert_eq!(reduced["cli"], uses(&["plan"]));
        assert_eq!((depth(&reduced, "cli"), depth(&reduced, "model")), (2, 0));
        let picture = draw(&reduced);
        assert_eq!((picture.matches("<line").count(), picture.matches("<rect x").count()), (2, 3));
    }
}
