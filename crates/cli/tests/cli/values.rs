use std::os::unix::fs::PermissionsExt;

use portolan_helm_compat::values;

use crate::support::{User, helms};

const SITE: &str = "--sim openshift-2.8-customized";

/// What the site set and nobody may see.
const SECRETS: [&str; 2] = ["Old-pg-7f3a", "Old-gf-52c1"];

fn mode(user: &User, file: &str) -> u32 {
    std::fs::metadata(user.path(file)).expect("it is there").permissions().mode() & 0o777
}

fn read(user: &User, file: &str) -> String {
    std::fs::read_to_string(user.path(file)).expect("it is there")
}

#[test]
fn every_value_is_told_with_who_set_it_and_what_becomes_of_it() {
    let user = User::new();
    let today = user.ok(&format!("values {SITE}"));
    let came = user.run(&format!("values {SITE} --to 2.20 -o json"));
    assert_eq!(came.code, 3, "some are asked about: {}", came.stderr);
    let view: serde_json::Value = serde_json::from_str(&came.stdout).expect("JSON");
    let of = |path: &str| {
        let all = view["values"].as_array().expect("values");
        let one = all.iter().find(|one| one["path"] == path).unwrap_or_else(|| panic!("{path} is not told"));
        (one["set_by"].as_str().expect("who"), one["changes"][0].clone())
    };
    for (path, who, change) in [
        ("deployment.domain", "site", serde_json::json!({"replaced": "global.domain"})),
        ("backend.memory.size", "site", "dropped".into()),
        ("backend.sesionTimeout", "site", "dropped".into()),
        ("frontend.theme", "site", "dropped".into()),
    ] {
        assert_eq!(of(path), (who, change), "{path}");
    }
    assert_eq!(of("deployment.servicePort").0, "installer");
    assert_eq!(of("backend.resources.limits.memory").1, "carried");
    assert_eq!(of("global.grafana.dbUser").1["moved"]["path"], "grafana.dbUser");
    for secret in SECRETS {
        assert!(!today.contains(secret) && !came.stdout.contains(secret) && !came.stderr.contains(secret), "{secret}");
    }
    let shown = user.ok(&format!("values {SITE} --show-secrets"));
    assert!(SECRETS.iter().all(|secret| shown.contains(secret)), "{shown}");
}

#[test]
fn what_no_recipe_knows_is_asked_once_and_the_answers_serve_the_upgrade() {
    let user = User::new();
    let values = format!("values {SITE} --to 2.20 --answers answers.yaml");
    assert_eq!(user.run(&values).code, 3);
    let asked = read(&user, "answers.yaml");
    for line in
        ["\"backend.memory.size\": ask   # perhaps ", "\"backend.sesionTimeout\": ask\n", "\"frontend.theme\": ask\n"]
    {
        assert!(asked.contains(line), "{asked}");
    }
    assert_eq!(mode(&user, "answers.yaml"), 0o600);
    assert!(!SECRETS.iter().any(|secret| asked.contains(secret)) && !asked.contains("dark"), "it holds no value");
    assert_eq!(user.run(&values).code, 3, "a question that nobody answered is still one");
    assert_eq!(read(&user, "answers.yaml"), asked, "and is not asked twice");
    let plan = format!("plan {SITE} --to 2.20 --no-rehearsal --answers answers.yaml");
    let came = user.run(&plan);
    assert!(came.code == 3 && came.stdout.contains("PL231"), "{}", came.stdout);
    user.write("answers.yaml", &asked.replace("\": ask", "\": drop"));
    assert!(user.ok(&values).contains("left out, as answered"));
    assert_eq!(user.run(&plan).code, 0);
    assert!(user.ok(&format!("upgrade {SITE} --to 2.20 --yes --answers answers.yaml")).contains("Finished"));
    // An answer that is none changes nothing.
    user.write("answers.yaml", &asked.replace("\": ask", "\": perhaps"));
    let came = user.run(&values);
    assert!(came.code != 0 && came.stderr.replace("\n", " ").contains("an answer is drop, keep"), "{}", came.stderr);
}

#[test]
fn the_new_values_are_written_with_where_each_comes_from() {
    let user = User::new();
    let line = format!("values {SITE} --to 2.20 --write new.yaml");
    assert_eq!(user.run(&line).code, 3, "what is asked about is missing in the file, and the command says so");
    let text = read(&user, "new.yaml");
    assert_eq!(mode(&user, "new.yaml"), 0o600);
    assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{text}");
    for line in [
        "#   postgresql.auth.postgresPassword: key postgresql-password of Secret/runai-backend-postgresql",
        "  # set today as global.grafana.dbUser (values-table)\n  dbUser: \"grafana\"",
        "  # given by the recipes\n  domain: \"runai.apps.rig.example.com\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    user.run(&format!("{line} --show-secrets"));
    assert!(SECRETS.iter().all(|secret| read(&user, "new.yaml").contains(secret)));
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_moved_value_is_proven_to_do_what_it_did() {
    for helm in helms() {
        let user = User::new();
        let came = user
            .command(&format!("values {SITE} effects --to 2.20 -o json"))
            .env("PORTOLAN_HELM", &helm)
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&came.stderr).into_owned();
        assert_eq!(came.status.code(), Some(3), "{said}");
        let view: serde_json::Value = serde_json::from_slice(&came.stdout).expect("JSON");
        let (grafana, backend) = ("Secret/runai-backend-grafana ", "Deployment/runai-backend-backend ");
        for (path, today, then) in [
            ("backend.resources.limits.memory", "ConfigMap/runai-backend-config ", backend),
            ("global.grafana.dbUser", grafana, grafana),
            ("global.grafana.dbPassword", grafana, grafana),
        ] {
            let effect = &view["effects"][path];
            assert_eq!(effect["proof"], "proven", "{path}: {effect}");
            for (when, object) in [("today", today), ("then", then)] {
                assert!(effect[when].as_str().is_some_and(|fields| fields.starts_with(object)), "{path}: {effect}");
            }
        }
        let shown = String::from_utf8_lossy(&came.stdout).into_owned();
        assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{shown}");
        // What was recorded proves the same.
        let recorded = user.run(&format!("values {SITE} effects --to 2.20 -o json"));
        let recorded: serde_json::Value = serde_json::from_str(&recorded.stdout).expect("JSON");
        assert_eq!(recorded["effects"], view["effects"], "{}", helm.display());
    }
}

#[test]
fn without_a_helm_what_was_recorded_proves_what_a_value_does() {
    let user = User::new();
    let came = user.run(&format!("values {SITE} effects --to 2.20 -o json"));
    assert_eq!(came.code, 3, "some are asked about: {}", came.stderr);
    let view: serde_json::Value = serde_json::from_str(&came.stdout).expect("JSON");
    for path in ["backend.resources.limits.memory", "global.grafana.dbUser", "global.grafana.dbPassword"] {
        assert_eq!(view["effects"][path]["proof"], "proven", "{path}: {}", view["effects"]);
    }
    assert!(!SECRETS.iter().any(|secret| came.stdout.contains(secret)), "{}", came.stdout);
}

/// What was recorded is for the very values and charts.
#[test]
fn without_a_helm_nothing_is_said_of_what_was_not_recorded() {
    let user = User::new();
    // Of this site, and of that chart, no value was rendered alone.
    for line in ["values --sim openshift-2.11 effects --to 2.20".to_owned(), format!("values {SITE} effects --to 2.13")]
    {
        let came = user.run(&line);
        assert!(came.stdout.contains("not proven: no helm"), "{line}: {}{}", came.stdout, came.stderr);
        assert!(!came.stdout.replace("not proven", "").contains("proven"), "{line}: {}", came.stdout);
    }
    for set in ["grafana.dbUser=other", "global.domain=other.example.com"] {
        let came = user.run(&format!("values {SITE} effects --to 2.20 --set {set}"));
        assert!(
            came.stderr.contains("error[PL206]") && !came.stdout.contains("proven"),
            "{set}: {}{}",
            came.stdout,
            came.stderr
        );
    }
}

/// What a saved survey has in place of a credential is none: helm given it would lock the database.
#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_stands_for_a_credential_in_a_saved_survey_is_written_nowhere() {
    let helm = helms().into_iter().next().expect("a helm");
    let user = User::new();
    let saved = user.ok(&format!("survey {SITE} -o yaml"));
    user.write("found.yaml", &saved);
    let line = "values --sim found.yaml --to 2.20 --as-set --show-secrets --write new.yaml -o json";
    let came = user.command(line).env("PORTOLAN_HELM", &helm).output().expect("the program starts");
    assert_eq!(came.status.code(), Some(3), "{}", String::from_utf8_lossy(&came.stderr));
    let view: serde_json::Value = serde_json::from_slice(&came.stdout).expect("JSON");
    let (flags, others) = (view["set_flags"]["flags"].to_string(), view["set_flags"]["others"].to_string());
    assert!(!flags.contains("the value of") && flags.contains("grafana.dbUser=grafana"), "{flags}");
    let text = read(&user, "new.yaml");
    for path in ["grafana.dbPassword", "postgresql.auth.postgresPassword"] {
        assert!(others.contains(path) && text.contains(&format!("#   {path}: ")), "{path}: {others}\n{text}");
    }
    assert!(!text.contains("Password: \"the value of") && text.contains("dbUser: \"grafana\""), "{text}");
    assert!(text.contains("a saved survey does not hold"), "{text}");
}

/// A chart that does not render may need a value that is asked about: the questions are told and written all the same.
#[test]
fn what_becomes_of_the_values_is_told_where_the_chart_is_not_rendered() {
    let user = User::new();
    let line = format!("values {SITE} --to 2.20 --set grafana.dbUser=other --answers answers.yaml --write new.yaml");
    let came = user.run(&line);
    assert!(came.code == 3 && came.stderr.contains("error[PL206]"), "{}: {}", came.code, came.stderr);
    assert!(came.stderr.contains("new.yaml is not written") && !user.path("new.yaml").exists(), "{}", came.stderr);
    for text in ["BECOMES", "3 values are not taken over", "global.domain"] {
        assert!(came.stdout.contains(text), "{text}: {}", came.stdout);
    }
    assert!(read(&user, "answers.yaml").contains("\"frontend.theme\": ask\n"));
    assert!(!SECRETS.iter().any(|secret| came.stdout.contains(secret)), "{}", came.stdout);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_question_whose_answer_the_chart_needs_can_be_answered() {
    for helm in helms() {
        let user = User::new();
        let run = || {
            let line = format!(
                "values {SITE} --to 2.20 --set postgresql.enabled=false,global.postgresql.auth.password=Outside-1 --answers answers.yaml"
            );
            let came = user.command(&line).env("PORTOLAN_HELM", &helm).output().expect("the program starts");
            (
                came.status.code(),
                format!("{}{}", String::from_utf8_lossy(&came.stdout), String::from_utf8_lossy(&came.stderr)),
            )
        };
        let (code, said) = run();
        assert!(code == Some(3) && said.contains("global.postgresql.auth.host is needed"), "{said}");
        let asked = read(&user, "answers.yaml");
        assert!(asked.contains("\"frontend.theme\": ask\n"), "{asked}");
        let host = asked.replace("\"frontend.theme\": ask", "\"frontend.theme\": {to: global.postgresql.auth.host}");
        user.write("answers.yaml", &host.replace("\": ask", "\": drop"));
        let (_, said) = run();
        assert!(!said.contains("is needed") && said.contains("global.postgresql.auth.host"), "{said}");
    }
}

#[test]
fn what_would_keep_the_upgrade_from_being_applied_is_told_and_no_file_is_written() {
    let user = User::new();
    let came = user.run(
        "values --sim openshift-2.8 --to 2.20 --without keep-claims,retain-volumes,existing-claim --write new.yaml",
    );
    assert!(came.code != 0 && !user.path("new.yaml").exists(), "{}{}", came.stdout, came.stderr);
    let came = user.run("values --sim openshift-2.8 --answers answers.yaml --write answers.yaml");
    assert!(came.code != 0 && !user.path("answers.yaml").exists(), "{}", came.stderr);
    user.write("answers.yaml", "format: 1\nanswers: {no.such.value: drop}\n");
    let came = user.run("values --sim openshift-2.8 --to 2.20 --answers answers.yaml");
    assert!(came.code == 0 && came.stderr.contains("no.such.value is for no value"), "{}", came.stderr);
}

#[test]
fn each_part_is_shown_alone() {
    let user = User::new();
    let diff = user.ok(&format!("values diff {SITE}"));
    for text in ["DEFAULT", "backend.resources.limits.memory", "postgresql.password"] {
        assert!(diff.contains(text), "{text}: {diff}");
    }
    assert!(!diff.contains("BECOMES") && !SECRETS.iter().any(|secret| diff.contains(secret)), "{diff}");
    let map = user.run(&format!("values map {SITE} --to 2.20"));
    assert_eq!(map.code, 3, "something is asked: {}", map.stderr);
    assert!(map.stdout.contains("values-table") && map.stdout.contains("grafana.dbUser"), "{}", map.stdout);
    assert!(!map.stdout.contains(" IS "), "{}", map.stdout);
}

#[test]
fn a_page_for_a_browser_is_for_its_user_alone_and_hides_credentials() {
    let user = User::new();
    let line = format!("values {SITE} --to 2.20 -o html");
    let came = user.run(&line);
    assert!(came.code == 64 && came.stdout.is_empty() && came.stderr.contains("--write FILE"), "{}", came.stderr);
    let came = user.run(&format!("{line} --write page.html"));
    assert!(came.code == 3 && came.stdout.is_empty(), "{}{}", came.stdout, came.stderr);
    let page = read(&user, "page.html");
    assert_eq!(mode(&user, "page.html"), 0o600);
    assert!(!SECRETS.iter().any(|secret| page.contains(secret)), "{page}");
    let row = page.lines().find(|line| line.contains("global.grafana.dbUser")).expect("a row");
    assert!(row.contains("<code>grafana.dbUser: "), "old and new are side by side: {row}");
    user.run(&format!("{line} --write page.html --show-secrets"));
    assert!(SECRETS.iter().all(|secret| read(&user, "page.html").contains(secret)));
    let other = user.run("survey --sim openshift-2.8 -o html");
    assert!(other.code == 64 && other.stderr.contains("values alone"), "{}", other.stderr);
}

#[test]
fn flags_are_printed_for_what_set_reads_as_it_is() {
    let user = User::new();
    let came = user.run(&format!("values {SITE} --to 2.20 --as-set -o json"));
    let view: serde_json::Value = serde_json::from_str(&came.stdout).expect("JSON");
    let flags = view["set_flags"]["flags"].to_string();
    assert!(flags.contains("--set global.domain=runai.apps.rig.example.com"), "{flags}");
    let others = view["set_flags"]["others"].to_string();
    assert!(others.contains("grafana.dbPassword") && others.contains("a credential"), "{others}");
    assert!(!SECRETS.iter().any(|secret| came.stdout.contains(secret)), "{}", came.stdout);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_secret_in_place_of_a_value_reaches_the_new_chart_and_is_shown_nowhere() {
    let helm = helms().into_iter().next().expect("a helm");
    let user = User::new();
    let values = format!("values {SITE} --to 2.20 --answers answers.yaml");
    user.run(&values);
    let asked = read(&user, "answers.yaml");
    let secret = "{secret: {name: runai-backend-postgresql, key: postgresql-password, to: grafana.adminPassword}}";
    let answers = asked.replace("\"frontend.theme\": ask", &format!("\"frontend.theme\": {secret}"));
    user.write("answers.yaml", &answers.replace("\": ask", "\": drop"));
    for command in ["plan", "rehearse", "upgrade --yes"] {
        let mut typed = user.command(&format!("{command} {SITE} --to 2.20 --answers answers.yaml"));
        let came = typed.env("PORTOLAN_HELM", &helm).output().expect("the program starts");
        let said = format!("{}{}", String::from_utf8_lossy(&came.stdout), String::from_utf8_lossy(&came.stderr));
        assert_eq!(came.status.code(), Some(0), "{command}: {said}");
        assert!(!said.contains(SECRETS[0]), "{command}: {said}");
        assert!(command != "plan" || said.contains("grafana.adminPassword, out of key postgresql-password"), "{said}");
    }
    // Another Secret is none, and says so.
    user.write("answers.yaml", &answers.replace("runai-backend-postgresql", "no-such").replace("\": ask", "\": drop"));
    let came = user.run(&format!("plan {SITE} --to 2.20 --answers answers.yaml"));
    assert!(came.code != 0 && came.stderr.contains("that is not there"), "{}", came.stderr);
}

/// The whole result for the customized site, as a person types it: the printed flags, and a file with what they cannot say.
#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn the_printed_flags_render_the_new_chart_as_the_written_file_does() {
    let user = User::new();
    let values = format!("values {SITE} --to 2.20 --answers answers.yaml --show-secrets");
    user.run(&values);
    user.write("answers.yaml", &read(&user, "answers.yaml").replace("\": ask", "\": drop"));
    let printed = user.ok(&format!("{values} --as-set -o json --write new.yaml"));
    let view: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let texts = |key: &str| view["set_flags"][key].as_array().expect("a list").clone();
    let flags: Vec<String> = texts("flags").iter().filter_map(|flag| flag.as_str().map(str::to_owned)).collect();
    assert!(flags.len() >= 5, "{flags:?}");
    let all = values::parse(&read(&user, "new.yaml"), "new.yaml").expect("it is read");
    let mut others = serde_json::json!({});
    for other in texts("others") {
        let path = other[0].as_str().expect("a path");
        values::set(&mut others, path, values::get(&all, path).unwrap_or_else(|| panic!("no {path}")).clone());
    }
    assert_eq!(
        flags.len() + texts("others").len(),
        values::flatten(&all).len(),
        "each is a flag or in the file: {all}"
    );
    user.write("others.yaml", &values::file(&others));
    let new = portolan_fixtures::charts().into_iter().find(|chart| chart.id.version.to_string() == "2.20.41");
    std::fs::write(user.path("chart.tgz"), new.expect("the chart").archive).expect("a file");
    for helm in helms() {
        let render = |given: &str| {
            let line = format!("{} template runai-backend chart.tgz -n runai-backend {given}", helm.display());
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", &line]).current_dir(user.path(".")).env("HOME", user.path("."));
            let out = shell.output().expect("a shell");
            assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8_lossy(&out.stdout).into_owned()
        };
        let of_file = render("-f new.yaml");
        assert_eq!(render(&format!("-f others.yaml {}", flags.join(" "))), of_file, "{}", helm.display());
        // A flag less is another rendering, so what is compared depends on the flags.
        let fewer: Vec<&str> = flags.iter().map(String::as_str).filter(|flag| !flag.contains("dbUser")).collect();
        assert!(fewer.len() < flags.len() && render(&format!("-f others.yaml {}", fewer.join(" "))) != of_file);
    }
}
