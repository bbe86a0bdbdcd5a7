//! Values that an earlier `--set` cut.

use portolan_helm_compat::values;
use portolan_model::{Code, Finding, Object, Plan, Severity};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_8, at_2_13, new};

/// An installation of which `--set` stored this.
fn with(mut fixture: Fixture, sets: &[&str], defaults: &Value) -> Fixture {
    for set in sets {
        values::parse_set_into(set, &mut fixture.inventory.release.config).expect("helm reads it");
    }
    fixture.inventory.release.defaults = defaults.clone();
    fixture
}

fn cut(plan: &Plan) -> Vec<&Finding> {
    plan.findings.iter().filter(|finding| finding.code == Code::ValuesCut).collect()
}

#[test]
fn a_key_that_was_cut_is_named_with_what_was_meant_and_asked_about_with_it() {
    // The recipe knows the key; the old chart's defaults are not known.
    let plan = with(at_2_8(), &["grafana.grafana.ini.server.domain=a.example.com"], &json!({})).plan(&[new("2.20.41")]);
    let [finding] = cut(&plan)[..] else { panic!("{:#?}", plan.findings) };
    assert_eq!((finding.severity, finding.field()), (Severity::Warning, Some("grafana.grafana.ini")));
    assert!(finding.evidence[0].ends_with(r"grafana.grafana\.ini was meant"), "{finding:#?}");
    let asked = plan.findings.iter().find(|finding| finding.code == Code::ValuesDropped).expect("it is asked about");
    let hint = r"grafana.grafana.ini.server.domain: --set cut its key at a dot: perhaps grafana.grafana\.ini.server.domain was meant";
    assert_eq!(asked.evidence, [hint]);

    let plan =
        with(at_2_8(), &[r"grafana.grafana\.ini.server.domain=a.example.com"], &json!({})).plan(&[new("2.20.41")]);
    assert_eq!(cut(&plan), Vec::<&Finding>::new());
}

#[test]
fn a_label_that_was_cut_is_found_in_the_rendering_of_today() {
    let mut fixture = with(at_2_13(), &["backend.nodeSelector.kubernetes.io/os=linux"], &json!({}));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": NS},
        "data": {"nodeSelector": {"kubernetes": {"io/os": "linux"}}}});
    fixture.inventory.release.docs.push(Object::new(map));
    let plan = fixture.plan(&[new("2.20.41")]);
    let [finding] = cut(&plan)[..] else { panic!("{:#?}", plan.findings) };
    assert_eq!(finding.field(), Some("backend.nodeSelector.kubernetes.io/os"));
    assert!(finding.evidence[0].ends_with(r"backend.nodeSelector.kubernetes\.io/os was meant"), "{finding:#?}");
    assert_eq!(finding.evidence[1], "it is so in ConfigMap/c /data/nodeSelector today");
    let plan = with(at_2_13(), &[r"backend.nodeSelector.kubernetes\.io/os=linux"], &json!({})).plan(&[new("2.20.41")]);
    assert_eq!(cut(&plan), Vec::<&Finding>::new());
}

#[test]
fn a_list_that_was_cut_is_named_once_whatever_the_number_of_hops() {
    let defaults = json!({"ingress": {"hosts": [{"host": "a", "paths": ["/"]}], "ips": ["a"]}});
    for (set, said) in [
        ("ingress.ips[2]=b", Some("item 0, 1")),
        ("ingress.hosts[0].host=b", Some("they lack paths")),
        ("ingress.ips={b,c}", None),
        ("ingress.hosts[0].host=b,ingress.hosts[0].paths={/}", None),
    ] {
        let fixture = with(at_2_13(), &[set], &defaults);
        for hops in [vec![new("2.20.41")], vec![new("2.17.8"), new("2.20.41")]] {
            let plan = fixture.plan(&hops);
            let found: Vec<String> = cut(&plan).iter().map(|finding| finding.evidence[0].clone()).collect();
            match said {
                Some(said) => assert!(found.len() == 1 && found[0].contains(said), "{set}: {found:?}"),
                None => assert_eq!(found, [""; 0], "{set}"),
            }
        }
    }
}
