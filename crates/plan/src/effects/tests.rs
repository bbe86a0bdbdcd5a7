//! The search over a stand-in for helm: a function from values to objects.

use std::cell::Cell;

use portolan_helm_compat::values::merge;
use serde_json::json;

use super::*;

mod structures;

/// Searches with a function in place of helm, and counts its renderings.
fn search(given: &Value, defaults: &Value, render: &dyn Fn(&Value) -> Result<Vec<Value>, String>) -> Effects {
    let mut search = EffectSearch::new("r", given, defaults);
    loop {
        let jobs = search.jobs();
        if jobs.is_empty() {
            break;
        }
        assert!(jobs.len() <= 2);
        for job in jobs {
            let objects = render(&merge(defaults, &job.values));
            search.rendered(objects.map(|objects| objects.into_iter().map(Object::new).collect()));
        }
    }
    let count = search.leaves.len();
    let effects = search.finish();
    assert!(effects.renderings <= codes::limit(count), "{} renderings", effects.renderings);
    effects
}

/// The values of all renderings of a search, which is told at most so many at once.
fn asked(search: EffectSearch, defaults: &Value, at_once: usize) -> Vec<Value> {
    let (mut search, mut all, mut told) = (search, Vec::new(), 0);
    loop {
        all.extend(search.jobs().into_iter().map(|job| job.values));
        if told == all.len() {
            return all;
        }
        for values in all[told..].iter().take(at_once) {
            search.rendered(Ok(vec![Object::new(config("one", json!({"all": merge(defaults, values)})))]));
            told += 1;
        }
    }
}

#[test]
fn in_which_order_helms_end_makes_no_difference() {
    let given: Value = (0..40).map(|at| (format!("v{at}"), json!(format!("text {at}")))).collect();
    let of = |at_once| asked(EffectSearch::new("r", &given, &json!({})), &json!({}), at_once);
    assert_eq!(of(1), of(2));
}

#[test]
fn a_chart_that_says_the_same_each_time_is_rendered_once_as_it_is() {
    let given = json!({"a": "x", "b": "y"});
    let whole = |template: &str| {
        let files = [("templates/a.yaml".to_owned(), template.as_bytes().to_vec())].into();
        let search = EffectSearch::new("r", &given, &json!({})).reading(&files);
        asked(search, &json!({}), 1).iter().filter(|values| **values == given).count()
    };
    assert_eq!((whole("a: {{ .Values.a }}"), whole("a: {{ randAlphaNum 8 }}")), (1, 2));
}

fn config(name: &str, data: Value) -> Value {
    let metadata = json!({"name": format!("r-{name}"), "namespace": "n"});
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    object["data"] = data;
    object
}

fn effect(effects: &Effects, path: &str) -> Effect {
    effects.of[&ValuesPath::new(path)].clone()
}

/// The fields that a value reaches, as `name/pointer`.
fn reached(effects: &Effects, path: &str) -> Vec<String> {
    match effect(effects, path) {
        Effect::Fields(fields) => {
            fields.iter().map(|field| format!("{}{}", field.object.name(), field.pointer)).collect()
        }
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn a_plain_value_reaches_its_field_and_an_unread_one_none() {
    let given = json!({"a": "x", "b": 5, "c": true, "unread": {"d": "y", "e": [1]}});
    let effects = search(&given, &json!({"b": 4}), &|v| {
        Ok(vec![
            config("one", json!({"a": v["a"], "b": v["b"], "both": format!("{}-{}", v["a"], v["b"])})),
            config("two", json!({"c": v["c"]})),
        ])
    });
    assert_eq!(reached(&effects, "a"), ["r-one/data/a", "r-one/data/both"]);
    assert_eq!(reached(&effects, "b"), ["r-one/data/b", "r-one/data/both"]);
    assert_eq!(reached(&effects, "c"), ["r-two/data/c"]);
    assert_eq!((effect(&effects, "unread.d"), effect(&effects, "unread.e")), (Effect::None, Effect::None));
}

#[test]
fn what_a_field_held_is_told_and_not_printed() {
    let effects =
        search(&json!({"password": "hunter2"}), &json!({}), &|v| Ok(vec![config("a", json!({"p": v["password"]}))]));
    let Effect::Fields(fields) = effect(&effects, "password") else { panic!("it has an effect") };
    assert_eq!((fields[0].before.clone(), fields[0].after.clone()), (Some(json!("hunter2")), Some(json!("hunter3"))));
    assert!(!format!("{effects:?}").contains("hunter"));
}

#[test]
fn a_value_that_is_the_default_has_the_effect_of_another_one() {
    let given = json!({"a": "x", "on": false, "list": [], "map": {}, "unread": "z"});
    let effects = search(&given, &given, &|v| {
        let mut all = vec![config("a", json!({"a": v["a"], "list": v["list"], "map": v["map"]}))];
        all.extend((v["on"] == true).then(|| config("b", json!({}))));
        Ok(all)
    });
    assert_eq!(reached(&effects, "a"), ["r-a/data/a"]);
    assert_eq!(reached(&effects, "on"), ["r-b"]);
    assert_eq!(
        (reached(&effects, "list"), reached(&effects, "map")),
        (vec!["r-a/data/list".into()], vec!["r-a/data/map".into()])
    );
    assert_eq!(effect(&effects, "unread"), Effect::None);
}

#[test]
fn a_value_behind_a_switch_reaches_its_field() {
    let given = json!({"x": {"enabled": true, "color": "red", "deep": {"on": true, "size": 3}}, "y": {"enabled": true, "color": "blue"}});
    let effects = search(&given, &json!({"x": {"enabled": false}, "y": {"enabled": false}}), &|v| {
        let mut all = Vec::new();
        if v["x"]["enabled"] == true {
            let mut data = json!({"color": v["x"]["color"]});
            if v["x"]["deep"]["on"] == true {
                data["size"] = v["x"]["deep"]["size"].clone();
            }
            all.push(config("x", data));
        }
        all.extend((v["y"]["enabled"] == true).then(|| config("y", json!({"color": v["y"]["color"]}))));
        Ok(all)
    });
    assert_eq!(reached(&effects, "x.enabled"), ["r-x"]);
    assert_eq!(reached(&effects, "x.color"), ["r-x/data/color"]);
    assert_eq!(reached(&effects, "x.deep.on"), ["r-x/data/size"]);
    assert_eq!(reached(&effects, "x.deep.size"), ["r-x/data/size"]);
    assert_eq!(reached(&effects, "y.color"), ["r-y/data/color"]);
}

#[test]
fn one_of_two_that_say_the_same_is_hidden_by_the_other() {
    let given = json!({"old": "x", "new": "x", "a": "1", "unread": "z"});
    let effects = search(&given, &json!({"old": "d", "new": "d"}), &|v| {
        // The old name counts only where the new one is as in the defaults.
        let shown = if v["new"] == "d" { &v["old"] } else { &v["new"] };
        Ok(vec![config("c", json!({"shown": if shown == "x" { "x" } else { "y" }, "a": v["a"]}))])
    });
    assert_ne!(effect(&effects, "old"), Effect::None);
    assert_ne!(effect(&effects, "new"), Effect::None);
    assert_eq!(effect(&effects, "unread"), Effect::None);
}

#[test]
fn a_value_that_only_lets_the_chart_render_is_needed() {
    let mut given = json!({"accept": true, "licence": "abc", "domain": "a.example.com"});
    for at in 0..20 {
        given[format!("v{at:02}")] = json!(format!("text {at}"));
    }
    let effects = search(&given, &json!({"accept": false}), &|v| {
        if v["accept"] != true {
            return Err("UPGRADE FAILED: execution error: the terms have to be accepted".into());
        }
        if v["licence"].is_null() {
            return Err("UPGRADE FAILED: licence is required".into());
        }
        let host = v["domain"].as_str().ok_or("UPGRADE FAILED: domain is required")?;
        let shown = (0..18).map(|at| (format!("k{at:02}"), v[format!("v{at:02}")].clone()));
        Ok(vec![config("a", shown.collect()), config("b", json!({"host": host}))])
    });
    let Effect::Needed { said } = effect(&effects, "accept") else { panic!("{:?}", effect(&effects, "accept")) };
    assert!(said.contains("terms"));
    let Effect::Needed { said } = effect(&effects, "licence") else { panic!("{:?}", effect(&effects, "licence")) };
    assert!(said.contains("licence"));
    assert_eq!(reached(&effects, "domain"), ["r-b/data/host"]);
    for at in 0..18 {
        assert_eq!(reached(&effects, &format!("v{at:02}")), [format!("r-a/data/k{at:02}")]);
    }
    assert_eq!((effect(&effects, "v18"), effect(&effects, "v19")), (Effect::None, Effect::None));
}

#[test]
fn random_fields_and_checksums_confuse_nobody() {
    let count = Cell::new(0);
    let mut given = json!({"password": "given", "unread": "z"});
    for at in 0..12 {
        given[format!("v{at:02}")] = json!(format!("text {at}"));
    }
    let effects = search(&given, &json!({"password": ""}), &|v| {
        count.set(count.get() + 1);
        let random = format!("random {}", count.get());
        let password = v["password"].as_str().filter(|text| !text.is_empty()).unwrap_or(&random).to_owned();
        let shown: Value = (0..12).map(|at| (format!("k{at:02}"), v[format!("v{at:02}")].clone())).collect();
        let checksum = portolan_model::Digest::of_value(&shown).hex().to_owned();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "r-p", "namespace": "n",
            "annotations": {"checksum/config": checksum, "checksum/secret": portolan_model::Digest::of(random.as_bytes()).hex()}}});
        Ok(vec![config("a", shown), config("s", json!({"password": password, "cookie": random})), pod])
    });
    assert_eq!(reached(&effects, "password"), ["r-s/data/password"]);
    for at in 0..12 {
        assert_eq!(reached(&effects, &format!("v{at:02}")), [format!("r-a/data/k{at:02}")]);
    }
    assert_eq!(effect(&effects, "unread"), Effect::None);
}

#[test]
fn a_value_that_reaches_a_checksum_alone_is_told_so() {
    let given = json!({"a": "x", "hashed": "y", "unread": "z"});
    let effects = search(&given, &json!({}), &|v| {
        let checksum = portolan_model::Digest::of_value(&v["hashed"]).hex().to_owned();
        Ok(vec![config("a", json!({"a": v["a"], "sum": checksum}))])
    });
    assert_eq!(reached(&effects, "a"), ["r-a/data/a"]);
    assert!(
        matches!(effect(&effects, "hashed"), Effect::Checksums(fields) if fields.len() == 1 && fields[0].pointer == "/data/sum")
    );
}

#[test]
fn a_text_of_many_values_is_read_word_by_word() {
    let given: Value = (0..10).map(|at| (format!("v{at}"), json!(format!("word{at}")))).collect();
    let effects = search(&given, &json!({}), &|v| {
        let text: Vec<String> =
            (0..9).map(|at| format!("--o{at} {}", v[format!("v{at}")].as_str().unwrap_or_default())).collect();
        Ok(vec![config("a", json!({"command": text.join(" ")}))])
    });
    for at in 0..9 {
        assert_eq!(reached(&effects, &format!("v{at}"))[0], "r-a/data/command", "{at}");
    }
    assert_eq!(effect(&effects, "v9"), Effect::None);
}

#[test]
fn values_that_do_not_render_at_all_are_not_searched() {
    let effects = search(&json!({"a": 1, "b": 2}), &json!({}), &|_| Err("nil pointer".into()));
    assert_eq!(effects.renderings, 2);
    assert!(matches!(effect(&effects, "a"), Effect::Undecided { why } if why.contains("nil pointer")));
}

/// Forty values, ten of which have to be one of two, as a schema says, which may list them.
fn choosy(lists: bool) -> Effects {
    let mut given = json!({});
    for at in 0..40 {
        given[format!("v{at:02}")] = json!(if at < 10 { "ClusterIP".into() } else { format!("text {at}") });
    }
    search(&given, &given, &|v| {
        let is_wrong = |at: &i32| !["ClusterIP", "NodePort"].contains(&v[format!("v{at:02}")].as_str().unwrap_or(""));
        let what = if lists { "value must be one of 'ClusterIP', 'NodePort'" } else { "this is no type" };
        let wrong: Vec<String> = (0..10).filter(is_wrong).map(|at| format!("- at '/v{at:02}': {what}")).collect();
        if wrong.is_empty() { Ok(vec![config("a", v.clone())]) } else { Err(wrong.join("\n")) }
    })
}

#[test]
fn a_value_that_may_not_be_changed_is_not_told_to_have_no_effect() {
    let given = json!({"kind": "ClusterIP", "a": "x"});
    let effects = search(&given, &given, &|v| match v["kind"].as_str() {
        Some("ClusterIP") => Ok(vec![config("a", json!({"a": v["a"]}))]),
        _ => Err("kind is not good".into()),
    });
    assert!(matches!(effect(&effects, "kind"), Effect::Undecided { why } if why.contains("not good")));
    assert_eq!(reached(&effects, "a"), ["r-a/data/a"]);
}

#[test]
fn values_that_helm_names_when_it_refuses_do_not_spoil_the_others() {
    let effects = choosy(false);
    for at in 10..40 {
        assert_eq!(reached(&effects, &format!("v{at:02}")), [format!("r-a/data/v{at:02}")]);
    }
}

#[test]
fn a_value_is_tried_with_another_one_that_the_schema_allows() {
    let effects = choosy(true);
    for at in 0..40 {
        assert_eq!(reached(&effects, &format!("v{at:02}")), [format!("r-a/data/v{at:02}")]);
    }
}

#[test]
fn no_values_need_no_rendering() {
    let effects = search(&json!({}), &json!({}), &|_| panic!("nothing is rendered"));
    assert_eq!((effects.renderings, effects.of.len()), (0, 0));
}
