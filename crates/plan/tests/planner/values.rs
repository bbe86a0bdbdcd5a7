//! What becomes of user-supplied values, and what a user may take upon themselves.

use portolan_helm_compat::values;
use portolan_model::{
    Accepted, Carried, Code, Coverage, HelmClient, HelmRun, MovedTo, ObsoleteValue, Platform, Ref, Scope,
    ScopeCoverage, SecretAnswer, SecretKey, Severity, Step, StepKind, ValueAnswer, ValueAnswers, ValueChange,
    ValuesPath,
};
use serde_json::{Value, json};

use crate::fixture::{self, Fixture, NS, PASSWORD, at_2_8, at_2_13, new, run};

fn fate(fixture: &Fixture, path: &str) -> ValueChange {
    let plan = fixture.plan(&[new("2.20.41")]);
    let found = plan.hops[0].values.iter().find(|one| one.path.as_str() == path);
    found.unwrap_or_else(|| panic!("{path} is not listed")).change.clone()
}

fn obsolete(by: &str, source: &str) -> ValueChange {
    ValueChange::Obsolete(ObsoleteValue { by: by.into(), source: source.into() })
}

#[test]
fn every_value_has_a_fate() {
    let fixture = at_2_8();
    let replaced = |by: &str| ValueChange::Replaced(by.into());
    assert_eq!(fate(&fixture, "deployment.domain"), replaced("global.domain"));
    assert_eq!(fate(&fixture, "openshift"), replaced("global.config.kubernetesDistribution"));
    assert_eq!(
        fate(&fixture, "backend.openshiftIdp.firstAdmin"),
        obsolete("the users that the database has", "ocp-backend")
    );
    let password = "postgresql.auth.postgresPassword, out of Secret/runai-backend-postgresql";
    assert_eq!(fate(&fixture, "postgresql.password"), replaced(password));
    assert_eq!(fate(&at_2_13(), "global.domain"), ValueChange::Carried);
    let mut fixture = at_2_13();
    fixture.values = json!({"global": {"domain": "other.example.com"}});
    assert_eq!(fate(&fixture, "global.domain"), replaced("the value that is given now"));
}

/// An installation with a value that no recipe knows.
fn with_a_theme() -> Fixture {
    let mut fixture = at_2_8();
    values::set(&mut fixture.inventory.release.config, "frontend.theme", "dark".into());
    fixture
}

#[test]
fn a_value_that_is_lost_stops_the_plan_until_it_is_accepted() {
    let of = |fixture: &Fixture| {
        let findings = fixture.plan(&[new("2.20.41")]).findings;
        findings.into_iter().find(|finding| finding.code == Code::ValuesDropped).expect("it is found")
    };
    let mut fixture = with_a_theme();
    assert_eq!(fate(&fixture, "frontend.theme"), ValueChange::Dropped);
    let found = of(&fixture);
    assert_eq!((found.severity, found.evidence), (Severity::Blocking, vec!["frontend.theme".to_owned()]));
    assert!(found.next.contains(": portolan values --to 2.20.41; or "), "{}", found.next);
    // It is the whole upgrade that is answered for.
    let hops = fixture.plan(&[new("2.13.19"), new("2.20.41")]).findings;
    let lost = hops.into_iter().find(|finding| finding.code == Code::ValuesDropped).expect("it is found");
    assert!(lost.next.contains(": portolan values --to 2.20.41; or "), "{}", lost.next);
    fixture.accepted =
        vec![Accepted { code: Code::ValuesDropped, claim: None, reason: "the new one has no themes".into() }];
    let found = of(&fixture);
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(found.evidence, ["frontend.theme", "accepted: the new one has no themes"]);
    assert_eq!(fixture.plan(&[new("2.20.41")]).accepted, fixture.accepted);
}

#[test]
fn who_gives_the_new_place_a_value_is_not_asked_about_the_old_one() {
    let mut fixture = at_2_8();
    values::set(&mut fixture.inventory.release.config, "backend.privateRegistryAddress", "old.example:5000".into());
    assert_eq!(fate(&fixture, "backend.privateRegistryAddress"), ValueChange::Dropped);
    values::set(&mut fixture.values, "global.image.registry", "new.example:5000".into());
    assert_eq!(
        fate(&fixture, "backend.privateRegistryAddress"),
        ValueChange::Replaced("global.image.registry".to_owned())
    );
}

#[test]
fn what_is_not_there_and_what_is_a_danger_cannot_be_accepted() {
    let mut fixture = at_2_8();
    for code in [Code::ValuesDropped, Code::NotSafe, Code::PasswordRefused] {
        fixture.accepted = vec![Accepted { code, claim: None, reason: "because".into() }];
        assert_eq!(fixture.refusal(&[new("2.20.41")]).code, Code::BadOption, "{code}");
    }
}

#[test]
fn what_people_make_themselves_has_to_be_there() {
    let mut fixture = at_2_8();
    fixture.inventory.cluster.platform = Platform::Kubernetes;
    fixture.values = json!({"global": {"domain": "runai.example.com"}});
    let missing =
        |fixture: &Fixture| fixture.plan(&[new("2.20.41")]).findings.iter().any(|one| one.code == Code::NotThere);
    assert!(missing(&fixture));
    fixture.inventory.coverage.retain(|one| one.scope.kind != "Secret");
    let secrets = Scope { kind: "Secret".into(), namespace: NS.into() };
    fixture.inventory.coverage.push(ScopeCoverage { scope: secrets, coverage: Coverage::Denied("403".into()) });
    assert!(!missing(&fixture), "what may not be listed is not known to be missing");
}

#[test]
fn the_vendors_advice_is_a_warning() {
    let of = |fixture: &Fixture, code: Code| {
        fixture.plan(&[new("2.20.41")]).findings.into_iter().find(|finding| finding.code == code)
    };
    let jump = of(&at_2_8(), Code::LongJump).expect("eleven versions in one hop");
    assert_eq!(jump.severity, Severity::Warning);
    assert!(jump.next.ends_with("--via 2.12,2.17"), "{}", jump.next);
    // Nothing is advised that is not on offer.
    for (offered, next) in [
        (vec!["2.11.0", "2.16.1"], "--via 2.11,2.16"),
        (vec!["2.12.1"], "no charts on offer would keep each hop within that limit"),
        (vec![], "no charts on offer would keep each hop within that limit"),
    ] {
        let fixture = Fixture { offered: offered.into_iter().map(new).collect(), ..at_2_8() };
        let jump = of(&fixture, Code::LongJump).expect("eleven versions in one hop");
        assert!(jump.next.ends_with(next), "{}", jump.next);
    }
    let mut fixture = at_2_13();
    assert_eq!(of(&fixture, Code::OtherPlatform), None);
    fixture.inventory.cluster.platform =
        Platform::OpenShift { version: "4.12.3".into(), apps_domain: "apps.rig.example.com".into() };
    let found = of(&fixture, Code::OtherPlatform).expect("2.20 needs 4.14");
    assert!(found.found.contains("4.14 to 4.17, and this is 4.12"), "{}", found.found);
    assert!(found.next.starts_with("upgrade OpenShift to 4.14 first"), "{}", found.next);
    fixture.inventory.cluster.platform =
        Platform::OpenShift { version: "4.19.1".into(), apps_domain: "apps.rig.example.com".into() };
    let found = of(&fixture, Code::OtherPlatform).expect("2.20 ends with 4.17");
    assert_eq!(found.next, "go on to a version that is made for OpenShift 4.19");
    let mut fixture = at_2_8();
    fixture.inventory.cluster.platform =
        Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.example.com".into() };
    assert!(of(&fixture, Code::OtherHost).is_some());
    // From 2.13 on no host is given, so nothing is said of it.
    let mut fixture = at_2_13();
    fixture.inventory.cluster.platform =
        Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.example.com".into() };
    assert_eq!(of(&fixture, Code::OtherHost), None);
}

/// An installation of the old chart with this value set.
fn with_value(path: &str, value: Value) -> Fixture {
    let mut fixture = at_2_8();
    values::set(&mut fixture.inventory.release.config, path, value);
    fixture
}

fn moved(path: &str, source: &str) -> ValueChange {
    ValueChange::Moved(MovedTo { path: ValuesPath::new(path), how: String::new(), source: source.into() })
}

/// What helm is given in the only hop.
fn given(fixture: &Fixture) -> Value {
    let file = fixture.file(&[new("2.20.41")]).expect("it is planned");
    fixture::given(&file, run(&file.plan, 0))
}

fn asked(fixture: &Fixture) -> Vec<String> {
    let findings = fixture.plan(&[new("2.20.41")]).findings;
    findings.into_iter().filter(|one| one.code == Code::ValuesDropped).flat_map(|one| one.evidence).collect()
}

#[test]
fn an_old_value_goes_where_the_recipe_says_unless_the_user_gives_the_new_one() {
    let mut fixture = with_value("global.grafana.dbUser", json!("grafana"));
    assert_eq!(fate(&fixture, "global.grafana.dbUser"), moved("grafana.dbUser", "values-table"));
    assert_eq!(given(&fixture).pointer("/grafana/dbUser"), Some(&json!("grafana")));
    assert_eq!(asked(&fixture), [""; 0]);
    fixture.values = json!({"grafana": {"dbUser": "other"}});
    assert_eq!(fate(&fixture, "global.grafana.dbUser"), ValueChange::Replaced("grafana.dbUser".into()));
    assert_eq!(given(&fixture).pointer("/grafana/dbUser"), Some(&json!("other")));
}

#[test]
fn what_lies_below_a_moved_value_goes_along() {
    let fixture = with_value("backend.resources", json!({"limits": {"memory": "512Mi"}}));
    assert_eq!(fate(&fixture, "backend.resources.limits.memory"), ValueChange::Carried, "it has the same path");
    assert_eq!(given(&fixture).pointer("/backend/resources/limits/memory"), Some(&json!("512Mi")));
}

#[test]
fn a_guess_is_asked_about_and_not_taken() {
    let fixture = with_value("backend.memory.size", json!(512));
    assert_eq!(fate(&fixture, "backend.memory.size"), ValueChange::Dropped);
    let hint = "backend.memory.size: perhaps backend.resources.limits.memory, which the page values-table has; no page says that the value went there";
    assert_eq!(asked(&fixture), [hint]);
    assert_eq!(given(&fixture).pointer("/backend/resources"), None);
}

#[test]
fn what_the_installer_wrote_is_nobodys_and_what_was_changed_is_asked_about() {
    let fixture = with_value("deployment.installation", json!("local"));
    assert!(
        matches!(fate(&fixture, "deployment.installation"), ValueChange::Obsolete(one) if one.source == "installer")
    );
    assert_eq!(asked(&fixture), [""; 0]);
    let fixture = with_value("deployment.installation", json!("cloud"));
    assert_eq!(asked(&fixture), ["deployment.installation"]);
}

#[test]
fn a_null_takes_a_default_away_and_is_asked_about_too() {
    let fixture = with_value("frontend.theme", Value::Null);
    assert_eq!(asked(&fixture), ["frontend.theme"]);
}

#[test]
fn an_answer_decides() {
    let answer = |answer: ValueAnswer| {
        let mut fixture = with_value("frontend.theme", json!("dark"));
        fixture.answers = ValueAnswers {
            format: ValueAnswers::FORMAT,
            answers: [(ValuesPath::new("frontend.theme"), answer)].into(),
        };
        assert_eq!((fate(&fixture, "frontend.theme") == ValueChange::Dropped), !asked(&fixture).is_empty());
        let theme = |place: &str| given(&fixture).pointer(place).cloned();
        (fate(&fixture, "frontend.theme"), theme("/frontend/theme"), theme("/ui/theme"))
    };
    let dark = || Some(json!("dark"));
    assert_eq!(answer(ValueAnswer::Ask), (ValueChange::Dropped, None, None));
    assert_eq!(answer(ValueAnswer::Drop), (ValueChange::LeftOut, None, None));
    assert_eq!(answer(ValueAnswer::Keep).1, dark());
    assert_eq!(answer(ValueAnswer::To(ValuesPath::new("ui.theme"))), (moved("ui.theme", "answered"), None, dark()));
}

#[test]
fn an_answer_takes_a_value_out_of_the_stored_ones() {
    let mut fixture = at_2_13();
    values::set(&mut fixture.inventory.release.config, "frontend.theme", json!("dark"));
    let answers = [(ValuesPath::new("frontend.theme"), ValueAnswer::Drop)].into();
    fixture.answers = ValueAnswers { format: ValueAnswers::FORMAT, answers };
    assert_eq!(fate(&fixture, "frontend.theme"), ValueChange::LeftOut);
    assert_eq!(
        given(&fixture).pointer("/frontend/theme"),
        Some(&Value::Null),
        "helm takes the stored one over otherwise"
    );
}

fn answering(mut fixture: Fixture, path: &str, answer: ValueAnswer) -> Fixture {
    let answers = [(ValuesPath::new(path), answer)].into();
    fixture.answers = ValueAnswers { format: ValueAnswers::FORMAT, answers };
    fixture
}

#[test]
fn an_answer_that_would_be_lost_or_lose_another_value_is_asked_again() {
    for (to, why) in [
        ("postgresql.primary.persistence.existingClaim", "which is given by the recipes"),
        ("postgresql", "which is given out of the live Secret"),
        ("global.domain.x", "which is given by the recipes"),
        ("postgresql.auth.postgresPassword", "which is given out of the live Secret"),
        ("grafana.dbUser", "which global.grafana.dbUser becomes"),
        ("grafana", "which global.grafana.dbUser becomes"),
    ] {
        let mut fixture = with_value("global.grafana.dbUser", json!("grafana"));
        values::set(&mut fixture.inventory.release.config, "ui.theme", json!("dark"));
        let fixture = answering(fixture, "ui.theme", ValueAnswer::To(ValuesPath::new(to)));
        assert_eq!(asked(&fixture), [format!("ui.theme: it cannot be {to}, {why}")], "{to}");
        assert!(!given(&fixture).to_string().contains("dark"), "{to}");
    }
}

#[test]
fn a_credential_is_not_moved_to_where_it_would_be_shown() {
    let to = |path: &str, old: &str, to: &str| {
        answering(with_value(path, json!(old)), path, ValueAnswer::To(ValuesPath::new(to)))
    };
    for (path, text) in [("backend.smtpPass", "hunter"), ("frontend.note", PASSWORD)] {
        let fixture = to(path, text, "images.postgres");
        assert_eq!(asked(&fixture).len(), 1, "{path}");
        assert!(!given(&fixture).to_string().contains(text), "{path}");
        let fixture = to(path, text, "mail.password");
        assert_eq!(asked(&fixture), [""; 0], "{path}");
        assert_eq!(given(&fixture).pointer("/mail/password"), Some(&json!(text)));
    }
}

#[test]
fn the_commands_show_no_credential_that_goes_on() {
    for (path, value) in [
        ("backend.smtpPass", json!("hunter-one")),
        ("backend.env", json!([{"name": "SMTP_PASSWORD", "value": "hunter-one"}])),
        ("frontend.note", json!(PASSWORD)),
    ] {
        let fixture = answering(with_value(path, value), path, ValueAnswer::Keep);
        let plan = fixture.plan(&[new("2.20.41")]);
        let commands: Vec<String> = plan.steps().flat_map(|step| step.command.clone()).collect();
        let commands = commands.join("\n");
        let name = path.to_uppercase().replace('.', "_");
        assert!(commands.contains(&format!("{path}=\"${name}\"")), "{commands}");
        assert!(!commands.contains("hunter-one") && !commands.contains(PASSWORD), "{commands}");
    }
}

#[test]
fn a_password_that_is_carried_over_takes_no_answer() {
    for answer in [ValueAnswer::Drop, ValueAnswer::Keep, ValueAnswer::To(ValuesPath::new("my.password"))] {
        let fixture = answering(at_2_8(), "postgresql.password", answer);
        assert!(matches!(fate(&fixture, "postgresql.password"), ValueChange::Replaced(_)));
        assert!(!given(&fixture).to_string().contains(PASSWORD));
    }
}

#[test]
fn a_value_that_moves_within_a_chart_does_not_stay_at_its_old_place() {
    let mut fixture = at_2_13();
    values::set(&mut fixture.inventory.release.config, "frontend.theme", json!("dark"));
    let fixture = answering(fixture, "frontend.theme", ValueAnswer::To(ValuesPath::new("ui.theme")));
    assert_eq!(given(&fixture).pointer("/ui/theme"), Some(&json!("dark")));
    assert_eq!(given(&fixture).pointer("/frontend/theme"), Some(&Value::Null));
}

/// An answer that names a key of a Secret which the namespace has, with this in it.
fn by_reference(path: &str, to: Option<&str>, text: &str) -> Fixture {
    let mut fixture = with_value("global.smtp.pass", json!("Old-smtp-1"));
    let secret = Ref::secret(NS, "site-mail");
    fixture.secrets.insert(SecretKey { secret, key: "password".into() }, text.into());
    let (name, key) = ("site-mail".to_owned(), "password".to_owned());
    answering(fixture, path, ValueAnswer::Secret(SecretAnswer { name, key, to: to.map(ValuesPath::new) }))
}

#[test]
fn an_answer_names_a_secret_in_place_of_a_value() {
    const TEXT: &str = "Mail-pw-77e1";
    for (path, to) in [("global.smtp.pass", Some("mail.password")), ("mail.password", None)] {
        let fixture = by_reference(path, to, TEXT);
        let file = fixture.file(&[new("2.20.41")]).expect("it is planned");
        let run = run(&file.plan, 0);
        let from = SecretKey { secret: Ref::secret(NS, "site-mail"), key: "password".into() };
        assert!(run.carried.contains(&Carried { path: ValuesPath::new("mail.password"), from }), "{:?}", run.carried);
        let jobs = fixture.jobs(&[new("2.20.41")]).expect("it is rendered");
        assert_eq!(jobs[0].given.pointer("/mail/password"), Some(&json!(TEXT)), "helm renders with it");
        // Neither the plan nor anything it refers to has it.
        let all = format!("{:?}{}", serde_json::to_string(&file.plan), given(&fixture));
        assert!(!all.contains(TEXT) && !all.contains("Old-smtp-1"), "{path}");
        let archives = |step: &Step| matches!(&step.kind, StepKind::ArchiveObject { objects } if objects.iter().any(|one| one.name() == "site-mail"));
        let place = |is: &dyn Fn(&Step) -> bool| file.plan.steps().position(is).expect("there is such a step");
        let is_helm = |step: &Step| matches!(step.kind, StepKind::Helm { .. });
        assert!(place(&archives) < place(&is_helm), "it is read before helm starts");
        let typed = &file.plan.steps().find(|step| is_helm(step)).expect("helm").command;
        assert!(typed[0].starts_with("MAIL_PASSWORD=$(kubectl get secret -n"), "{}", typed[0]);
    }
    let replaced = ValueChange::Replaced("mail.password, out of key password of Secret/site-mail".to_owned());
    assert_eq!(fate(&by_reference("global.smtp.pass", Some("mail.password"), TEXT), "global.smtp.pass"), replaced);
    assert_eq!(asked(&by_reference("global.smtp.pass", Some("mail.password"), TEXT)), [""; 0]);
    // The old value is another question.
    assert_eq!(asked(&by_reference("mail.password", None, TEXT)).len(), 1);
}

#[test]
fn a_secret_that_an_answer_names_has_to_be_there_and_its_place_free() {
    let refused = |mut fixture: Fixture, edit: &dyn Fn(&mut Fixture)| {
        edit(&mut fixture);
        fixture.file(&[new("2.20.41")]).expect_err("it is refused")
    };
    let missing = refused(by_reference("mail.password", None, "a"), &|fixture| {
        fixture.secrets.retain(|key, _| key.secret.name() != "site-mail");
    });
    assert!(missing.code == Code::BadValues && missing.found.contains("that is not there"), "{missing:?}");
    let twice = refused(by_reference("mail.password", None, "a"), &|fixture| {
        fixture.values = json!({"mail": {"password": "b"}});
    });
    assert!(twice.code == Code::BadValues && twice.found.contains("given by something else"), "{twice:?}");
    for taken in ["postgresql.auth.postgresPassword", "postgresql.auth", "global.domain"] {
        let finding = refused(by_reference(taken, None, "a"), &|_| {});
        assert_eq!(finding.code, Code::BadValues, "{taken}");
    }
}

#[test]
fn a_secret_goes_before_an_old_value_that_would_move_there() {
    let mut fixture = by_reference("grafana.dbPassword", None, "Gf-9");
    values::set(&mut fixture.inventory.release.config, "global.grafana.dbPassword", json!("Old-gf"));
    assert!(
        matches!(fate(&fixture, "global.grafana.dbPassword"), ValueChange::Replaced(by) if by.contains("site-mail"))
    );
    assert_eq!(given(&fixture).pointer("/grafana/dbPassword"), None);
}

#[test]
fn what_is_the_old_charts_default_is_nobodys_wish() {
    let mut fixture = with_value("frontend.theme", json!("light"));
    assert_eq!(asked(&fixture), ["frontend.theme"], "the chart's defaults are not known");
    fixture.inventory.release.defaults = json!({"frontend": {"theme": "light"}});
    assert!(
        matches!(fate(&fixture, "frontend.theme"), ValueChange::Replaced(by) if by.contains("the old chart's default"))
    );
    assert_eq!(asked(&fixture), [""; 0]);
    let survey = fixture.survey();
    let found = portolan_plan::site_values(&survey, &fixture.book, &[], portolan_plan::Credentials::Hidden);
    let theme = found.iter().find(|value| value.path.as_str() == "frontend.theme").expect("it is told");
    assert_eq!((theme.set_by, &theme.default), (portolan_model::SetBy::Default, &Some(json!("light"))));
    fixture.inventory.release.defaults = json!({"frontend": {"theme": "dark"}});
    assert_eq!(asked(&fixture), ["frontend.theme"], "another value is somebody's");
}

#[test]
fn a_default_that_changes_is_told_where_nobody_set_it() {
    let mut fixture = at_2_8();
    fixture.inventory.release.defaults =
        json!({"backend": {"replicaCount": 1}, "grafana": {"enabled": true, "adminUser": ""}});
    let then = json!({"backend": {"replicaCount": 2}, "grafana": {"enabled": true}});
    let told = |fixture: &Fixture, at_end: Value| -> Vec<String> {
        let all = portolan_plan::changed_defaults(&fixture.survey(), &fixture.book, (&new("2.20.41"), &then), &at_end);
        all.into_iter().map(|one| format!("{} {} {} {}", one.path, one.today, one.to, one.then)).collect()
    };
    assert_eq!(told(&fixture, json!({})), ["backend.replicaCount 1 backend.replicaCount 2"]);
    assert_eq!(told(&fixture, json!({"backend": {"replicaCount": 1}})), [""; 0], "it is given");
    values::set(&mut fixture.inventory.release.config, "backend.replicaCount", json!(4));
    assert_eq!(told(&fixture, json!({})), [""; 0], "it is set");
}

#[test]
fn a_null_does_the_same_in_one_hop_and_in_two() {
    let after = |config: Value, hops: &[&str]| {
        let mut fixture = at_2_13();
        fixture.inventory.release.config["frontend"] = config;
        fixture.values = json!({"frontend": {"theme": null}});
        let hops: Vec<_> = hops.iter().map(|version| new(version)).collect();
        let file = fixture.file_of(&hops, &|_, text| text).expect("it can be planned");
        let given = |run: &HelmRun| {
            let values: Value =
                serde_json::from_slice(&file.objects[run.values.as_ref().expect("values")].0).expect("values");
            values["frontend"].clone()
        };
        file.plan.helm_runs().map(given).collect::<Vec<_>>()
    };
    // Stored or not, the null goes to helm once: a second one would take what the first has left.
    for config in [json!({"theme": "dark"}), json!({})] {
        assert_eq!(after(config.clone(), &["2.20.41"]), [json!({"theme": null})]);
        assert_eq!(after(config, &["2.17.8", "2.20.41"])[1].get("theme"), None);
    }
}

#[test]
fn a_value_that_is_taken_away_by_a_null_is_no_lost_one() {
    let mut fixture = at_2_13();
    fixture.inventory.release.config["frontend"] = json!({"theme": "dark"});
    for given in [json!({"frontend": {"theme": null}}), json!({"frontend": null})] {
        fixture.values = given;
        assert_eq!(fate(&fixture, "frontend.theme"), ValueChange::LeftOut);
    }
    // Stored as null, the same null again brings the chart's default back with an older helm.
    fixture.inventory.release.config["frontend"] = json!({"theme": null});
    fixture.values = json!({"frontend": {"theme": null}});
    for (helm, expected) in [("3.14.4", ValueChange::Dropped), ("3.22.0", ValueChange::Carried)] {
        fixture.inventory.helm = Some(HelmClient::Simulated { version: helm.parse().expect("a version") });
        assert_eq!(fate(&fixture, "frontend.theme"), expected, "helm {helm}");
    }
}

#[test]
fn a_rename_between_newer_versions_moves_what_helm_takes_over_and_its_end_takes_it_away() {
    let at = |path: &str| {
        let mut fixture = at_2_13();
        values::set(&mut fixture.inventory.release.config, path, json!("Old-cache"));
        fixture
    };
    let given = |fixture: &Fixture, to: &str| {
        let file = fixture.file(&[new(to)]).expect("it is planned");
        fixture::given(&file, run(&file.plan, 0))
    };
    let (old, later) = ("redis.auth.password", "redisCache.auth.password");
    let change = |fixture: &Fixture, path: &str, to: &str| {
        let plan = fixture.plan(&[new(to)]);
        plan.hops[0].values.iter().find(|one| one.path.as_str() == path).expect("it is listed").change.clone()
    };
    assert_eq!(change(&at(old), old, "2.20.41"), moved(later, "values-table"));
    let then = given(&at(old), "2.20.41");
    assert_eq!(values::get(&then, later), Some(&json!("Old-cache")));
    assert_eq!(values::get(&then, old), Some(&Value::Null), "helm would take it over");
    // Before the rename it stays, after it too.
    assert_eq!(change(&at(old), old, "2.16.22"), ValueChange::Carried);
    assert_eq!(change(&at(later), later, "2.20.41"), ValueChange::Carried);
    for path in [old, later] {
        let gone = obsolete("nothing: the chart has NATS for its cache", "advanced-config");
        assert_eq!(change(&at(path), path, "2.25.1"), gone, "{path}");
        let then = given(&at(path), "2.25.1");
        assert_eq!(values::get(&then, path), Some(&Value::Null), "{path}");
        assert!(path == later || values::get(&then, later).is_none(), "{then}");
        let mut kept = at(path);
        kept.answers.answers.insert(ValuesPath::new(path), ValueAnswer::Keep);
        assert_eq!(change(&kept, path, "2.25.1"), ValueChange::Carried, "{path}");
    }
}
