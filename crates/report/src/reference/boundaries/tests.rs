use std::collections::BTreeMap;

use super::*;

const PRODUCT: &str = "format: 1\nproduct: P\nrelease: {name: rel, namespace: space}\ncharts: [old, new]\n\
    pages: {open: {title: Open, source: 'o/r, a/b.md'}, shut: {title: Shut, source: a book}}\n\
    databases: [{name: db, set: s, port: 1, user: u, database: d, password: {secret: s, keys: [k], value: {c: p}}, \
    server: {container: c, images: [{image: 'c:{version}'}]}}]\n";

const EARLY: &str = "format: 1\nboundary: into 2\ncrosses: {below: 2.0.0}\nsteps:\n\
    - {id: drop, kind: delete-object, objects: ['Secret/{release}-x'], source: {page: open, line: 7}, why: it is old}\n";

const TURN: &str = "format: 1\nboundary: into 3\ncrosses: {below: 3.0.0}\nfrom-chart: old\nto-chart: new\nsteps:\n\
    - {id: wait, kind: wait-ready, source: {page: portolan}, why: w}\n\
    - id: helm\n  kind: helm-upgrade\n  values: reset\n  source: {page: shut}\n  why: another layout\n  set:\n\
    \x20 - {id: host, path: a.b, value: '{domain}', replaces: [c], platform: openshift, source: {page: open}, why: a|b}\n";

fn book() -> RecipeSet {
    let files = [("product.yaml", PRODUCT), ("early.yaml", EARLY), ("turn.yaml", TURN)];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    RecipeSet::load(&BTreeMap::from(files)).expect("a book")
}

#[test]
fn a_page_says_when_what_why_and_by_whose_word() {
    let pages = pages(&book());
    let early = &pages["boundaries/into-2.md"];
    assert!(early.contains("every upgrade from below 2.0 to 2.0 or later."), "{early}");
    assert!(early.contains("- What: Deletes `Secret/rel-x`.\n- Why: It is old.\n"), "{early}");
    assert!(early.contains("[Open, line 7](https://github.com/o/r/blob/HEAD/a/b.md?plain=1#L7)"), "{early}");
    let page = &pages["boundaries/into-3.md"];
    assert!(page.contains("from chart `old` to chart `new` 3.0 or later, whatever number is installed"), "{page}");
    let host = "| host | `a.b`: the host under which the platform is reached today | OpenShift | `c` | a\\|b | [Open](";
    assert!(page.contains(host), "{page}");
    assert!(page.contains("- Source: Shut (a book)") && page.contains("- Source: Portolan's own"), "{page}");
    assert!(page.find("### helm") < page.find("### wait"), "as a hop carries them out: {page}");
}

#[test]
fn the_index_has_every_way_from_low_to_high() {
    let book = book();
    let rows = crossings::of(&book);
    let told: Vec<String> = rows
        .iter()
        .map(|(from, to, crossed)| {
            let names: Vec<&str> = crossed.iter().map(|boundary| boundary.name.as_str()).collect();
            format!("{from} > {to}: {}", names.join(", "))
        })
        .collect();
    let (low, high, new) = ("`old` below 2.0", "`old` 2.0 to before 3.0", "`new` 3.0 or later");
    let want = [
        format!("{low} > {low}: "),
        format!("{low} > {high}: into 2"),
        format!("{low} > {new}: into 2, into 3"),
        format!("{high} > {high}: "),
        format!("{high} > {new}: into 3"),
        format!("{new} > {new}: "),
    ];
    assert_eq!(told, want);
}

#[test]
fn only_what_is_in_a_repository_is_linked() {
    assert_eq!(public("docs.example.com/a, b", None), None);
    assert_eq!(public("o/r, a.md, and what came later", Some(1)), None);
    assert_eq!(public("a book", Some(1)), None);
    assert_eq!(public("o/r, a.md", None).as_deref(), Some("https://github.com/o/r/blob/HEAD/a.md"));
}
