//! Custom resources whose CRD the upgrade changes.

use super::*;

const NAME: &str = "Store.example.com/n/mine";

fn crd(schema: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: stores.example.com, {MARKS}}}\n\
         spec: {{group: example.com, names: {{kind: Store, plural: stores}}, versions: [{{name: v1, served: true, storage: true, \
         schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {schema}}}}}}}}}]}}\n---\n"
    )
}

fn store(size: &str) -> String {
    format!("apiVersion: example.com/v1\nkind: Store\nmetadata: {{name: mine, {MARKS}}}\nspec: {{size: {size}}}\n---\n")
}

const WIDE: &str = "{type: object, properties: {size: {type: string}}}";
const NARROW: &str = "{type: object, properties: {size: {type: string, enum: [small, large]}}}";
const RULED: &str = "{type: object, x-kubernetes-validations: [{rule: 'false'}], properties: {size: {type: string}}}";

fn refused(field: &str) -> Vec<(Code, Severity, String, String)> {
    blocks(Code::ServerRefuses, NAME, field)
}

#[test]
fn a_new_object_is_judged_by_the_schema_that_the_chart_brings() {
    let case = |schema: &str, size: &str| {
        let (stored, planned) = (crd(WIDE), crd(schema) + &store(size));
        Case::new(&stored, &stored, &planned)
    };
    assert_eq!(case(NARROW, "huge").found(), refused("/spec/size"));
    assert_eq!(case(NARROW, "large").found(), []);
    assert_eq!(case(WIDE, "huge").found(), []);
    // A rule in CEL is not decided here.
    let (_, open) = case(RULED, "large").run();
    assert_eq!((open[0].code, open[0].severity), (Code::NotChecked, Severity::Note));
    assert!(open[0].found.contains("the upgrade changes CustomResourceDefinition/stores.example.com"), "{open:?}");
    // What the schema of today refuses may be allowed by then.
    let invalid = || invalid("FieldValueNotSupported", "spec.size", "Unsupported value");
    let wider = || Case::new(&crd(NARROW), &crd(NARROW), &(crd(WIDE) + &store("huge")));
    assert_eq!(wider().answers("create", NAME, invalid()).found(), notes(NAME));
    let same = Case::new(&crd(NARROW), &crd(NARROW), &(crd(NARROW) + &store("huge")));
    assert_eq!(same.answers("create", NAME, invalid()).found(), refused("/spec/size"));
}

#[test]
fn what_stays_as_it_is_may_stay() {
    let (today, small) = (crd(WIDE), store("small"));
    let update = |size: &str| {
        let before = today.clone() + &store("tiny");
        let planned = crd(NARROW) + &store(size).replace("spec: {", "spec: {more: 1, ");
        Case::new(&before, &before, &planned)
    };
    assert_eq!(update("huge").found(), refused("/spec/size"));
    assert_eq!(update("tiny").found(), notes(NAME));
    assert_eq!(update("small").found(), []);
    // A later hop: its patches are not asked about, and its own changes are compared all the same.
    let stored = today.clone() + &small;
    let later = |size: &str| {
        let case = Case::new(&stored, &today, &(crd(NARROW) + &store(size))).with(|writes| writes.is_next = false);
        let mut found = case.found();
        found.retain(|(_, severity, ..)| *severity == Severity::Blocking);
        found
    };
    assert_eq!(later("huge"), refused("/spec/size"));
    assert_eq!(later("large"), []);
}

#[test]
fn a_hop_before_or_a_hook_changes_the_schema_too() {
    let run = |first: &str, hooks: &str, size: &str| {
        let case = Case::new(&crd(WIDE), &crd(WIDE), first).hooks(hooks);
        let mut precheck = Precheck::new(case.writes, case.known);
        while !precheck.ask().is_empty() {
            precheck.take(vec![CheckAnswer::Accepted; 9]);
        }
        let mut next = Case::new(first, "", &store(size)).with(|writes| writes.is_next = false);
        next.known = precheck.into_known();
        next.found().into_iter().filter(|(_, severity, ..)| *severity == Severity::Blocking).collect::<Vec<_>>()
    };
    let hook = |schema: &str| {
        let marked = "annotations: {helm.sh/hook: pre-upgrade, ";
        crd(schema).replacen("annotations: {", marked, 1)
    };
    assert_eq!(run(&crd(NARROW), "", "huge"), refused("/spec/size"));
    assert_eq!(run(&crd(NARROW), "", "small"), []);
    assert_eq!(run("", &hook(NARROW), "huge"), refused("/spec/size"));
    assert_eq!(run(&crd(WIDE), "", "huge"), []);
    let own = Case::new("", &crd(WIDE), &store("huge")).hooks(&hook(NARROW));
    assert_eq!(own.found(), refused("/spec/size"));
}

#[test]
fn a_version_that_is_no_longer_served_is_found() {
    let planned = |served: bool| crd(WIDE).replace("served: true", &format!("served: {served}")) + &store("a");
    assert_eq!(Case::new(&crd(WIDE), &crd(WIDE), &planned(false)).found(), refused("/apiVersion"));
    assert_eq!(Case::new(&crd(WIDE), &crd(WIDE), &planned(true)).found(), []);
}
