use crate::support::User;

/// What is typed, the exit code, the code, and what the message has to name.
const WRONG: &[(&str, i32, &str, &str)] = &[
    ("--wrong", 64, "PL113", "--wrong"),
    ("plan --sim openshift-2.8 --wrong", 64, "PL113", "next: portolan plan --help"),
    ("upgrad --to 2.20", 64, "PL113", "similar subcommand exists: 'upgrade'"),
    ("sim new openshift-2.8", 64, "PL113", "<FOLDER>"),
    ("apply kept.plan --to 2.20", 64, "PL113", "--to"),
    ("survey", 10, "PL101", "--sim openshift-2.8"),
    ("upgrade --to 2.20 --yes", 10, "PL101", "kubeconfig"),
    ("survey --kubeconfig unreachable", 10, "PL102", "127.0.0.1:1"),
    ("plan --kubeconfig unreachable --to 2.20 --chart nothing", 10, "PL102", "127.0.0.1:1"),
    ("survey --sim nonsense", 64, "PL107", "openshift-2.13-adopted"),
    ("survey --sim garbage", 64, "PL107", "next: name a file that `portolan survey -o yaml` has written"),
    ("status --sim nonsense", 64, "PL107", "nonsense"),
    ("sim new nonsense there", 64, "PL107", "nonsense"),
    ("sim new openshift-2.8 here", 64, "PL113", "choose another folder"),
    ("sim settle nowhere", 64, "PL107", "nowhere"),
    ("plan --sim here", 3, "PL202", "control-plane 2.20.41"),
    ("apply --sim here", 3, "PL202", "--to"),
    ("plan --sim here --to 9.9", 3, "PL202", "2.20.41"),
    ("plan --sim here --to 2.1", 3, "PL202", "2.1"),
    ("plan --sim newer --to 2.8", 3, "PL201", "2.8.20"),
    ("plan --sim here --to 2.20 -f broken.yaml", 64, "PL111", "broken.yaml:2"),
    ("plan --sim here --to 2.20 -f list.yaml", 64, "PL111", "list.yaml:1"),
    ("plan --sim here --to 2.20 -f two.yaml", 64, "PL111", "helm 4 lays each over the one before it"),
    ("plan --sim here --to 2.20 -f wide.yaml", 64, "PL111", "save it as UTF-8"),
    ("plan --sim here --to 2.20 --set-string a[=b", 64, "PL111", "--set-string a[=b"),
    ("plan --sim here --to 2.20 --set-string a=b", 3, "PL206", "no helm"),
    ("plan --sim here --to 2.20 -f nothing.yaml", 64, "PL111", "next: check the path and its permissions"),
    ("plan --sim here --to 2.20 --set a[=b", 64, "PL111", "a[=b"),
    ("plan --sim here --to 2.20 --set a=b", 3, "PL206", "no helm"),
    ("plan --sim here --to 2.20 --without nonsense", 64, "PL113", "keep-claims"),
    ("plan --sim here --to 2.20 --recipes nothing", 64, "PL112", "next: check the path"),
    ("plan --sim here --to 2.20 --recipes json", 64, "PL112", "product.yaml: there is no such file in the folder json"),
    ("plan --sim here --to 2.20 --chart nothing", 10, "PL110", "nothing"),
    ("plan --sim here --to 2.20 --chart unnamed", 10, "PL110", "no usable name"),
    ("plan --sim here --to 2.20 --chart unversioned", 10, "PL110", "no usable version"),
    ("plan --sim here --to 2.20 --chart json", 3, "PL202", "control-plane 2.19.1"),
    ("plan --sim here --to 2.20 --repo nonsense", 64, "PL113", "--repo https://HOST/PATH"),
    ("plan --sim here --to 2.20 --repo ftp://h/c", 64, "PL113", "--repo https://HOST/PATH"),
    ("plan --sim here --to 2.20 --repo https://me:x@h/c", 64, "PL113", "--password-stdin"),
    ("plan --sim here --to 2.20 --repo http://h --chart c", 64, "PL113", "--chart"),
    ("plan --sim here --to 2.20 --repo http://h --username me", 64, "PL113", "PORTOLAN_REPO_PASSWORD"),
    ("plan --sim here --to 2.20 --username me", 64, "PL113", "--repo URL"),
    ("plan --sim here --to 2.20 --chart oci://h/a --chart oci://h/b", 64, "PL113", "name one"),
    ("plan --sim here --to 2.20 --repo http://h", 10, "PL105", "no helm"),
    ("apply kept.plan --repo http://h", 64, "PL113", "--repo"),
    ("apply garbage --sim here", 64, "PL310", "garbage"),
    ("rehearse garbage --sim here", 64, "PL310", "garbage"),
    ("apply nothing.plan --sim here", 64, "PL310", "nothing.plan"),
    ("apply nothing.plan --kubeconfig nothing", 64, "PL310", "nothing.plan"),
    ("apply garbage --kubeconfig nothing", 64, "PL310", "garbage"),
    ("rehearse garbage --kubeconfig nothing", 64, "PL310", "garbage"),
    ("apply kept.plan --sim newer", 10, "PL301", "runai-backend 2.8.20 revision 1"),
    ("rehearse kept.plan --sim newer", 10, "PL301", "nothing was written"),
    ("apply 12345678 --sim openshift-2.8", 64, "PL310", "sim new openshift-2.8"),
    ("status", 1, "PL317", "portolan plan"),
    ("status 12345678", 64, "PL310", "12345678"),
    ("status --sim here", 1, "PL317", "here/state"),
    ("status --sim openshift-2.8", 64, "PL310", "sim new openshift-2.8"),
    ("verify --sim openshift-2.8", 64, "PL310", "sim new openshift-2.8"),
    ("verify", 1, "PL317", "no runs"),
    ("page", 64, "PL114", "--sim"),
    ("page --sim kubernetes-2.8", 64, "PL113", "openshift-2.8"),
];

const UNREACHABLE: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "a",
    "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "users": [{"name": "a", "user": {"token": "none"}}]}"#;

#[test]
fn what_is_wrong_is_refused_in_three_parts_and_changes_nothing() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("sim new openshift-2.11 newer");
    user.ok("plan --sim here --to 2.20 --out kept.plan");
    user.write("broken.yaml", "a: [b\n: c");
    user.write("list.yaml", "- a\n");
    user.write("two.yaml", "a: 1\n---\nb: 2\n");
    std::fs::write(user.path("wide.yaml"), b"\xff\xfea\0:\0 \x001\0").expect("a file");
    user.write("garbage", "garbage\n");
    user.write("unreachable", UNREACHABLE);
    for (folder, chart) in [
        ("unnamed", r#"{"version": "2.20.1"}"#),
        ("unversioned", "name: control-plane\nversion: latest\n"),
        ("json", r#"{"apiVersion": "v2", "name": "control-plane", "version": "2.19.1"}"#),
    ] {
        std::fs::create_dir(user.path(folder)).expect("a folder");
        user.write(&format!("{folder}/Chart.yaml"), chart);
    }
    let before = (user.installation("here"), user.installation("newer"));
    for (line, exit, code, named) in WRONG {
        let came = user.run(line);
        let said = came.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(came.code, *exit, "{line}\n{said}");
        assert!(came.stdout.is_empty(), "{line}: on standard output is {}", came.stdout);
        let part = |start: &str| came.stderr.lines().find_map(|its| its.strip_prefix(start)).unwrap_or_default().len();
        for start in [&format!("error[{code}]: "), "  why: ", "  next: "] {
            assert!(part(start) > 3, "{line}: nothing after `{start}` in\n{}", came.stderr);
        }
        assert!(said.contains(named), "{line}: `{named}` is not named in\n{}", came.stderr);
    }
    assert_eq!(before, (user.installation("here"), user.installation("newer")));
    for folder in ["here", "newer", "state"] {
        assert!(user.journal(folder).is_empty(), "a run was begun in {folder}");
    }
}

#[test]
fn the_heading_of_helm_get_values_is_left_out_with_a_warning() {
    let user = User::new();
    user.write("saved.yaml", "USER-SUPPLIED VALUES:\nnull\n");
    let came = user.run("plan --sim openshift-2.8 --to 2.20 --no-rehearsal -f saved.yaml");
    assert_eq!(came.code, 0, "{}", came.stderr);
    assert!(came.stderr.contains("warning[PL218]: saved.yaml"), "{}", came.stderr);
    user.write("saved.yaml", "null\n");
    let came = user.run("plan --sim openshift-2.8 --to 2.20 --no-rehearsal -f saved.yaml");
    assert!(came.code == 0 && !came.stderr.contains("PL218"), "{}", came.stderr);
}

#[test]
fn what_cannot_be_written_is_no_wrong_command_line() {
    let user = User::new();
    user.write("file", "");
    for line in [
        "plan --sim openshift-2.8 --to 2.20 --no-rehearsal --out /dev/full",
        "plan --sim openshift-2.8 --to 2.20 --no-rehearsal --out file/plan",
        "verify --sim openshift-2.8 --save /dev/full",
        "sim new openshift-2.8 file/folder",
    ] {
        let came = user.run(line);
        assert_eq!(came.code, 1, "{line}\n{}", came.stderr);
        assert!(
            came.stderr.contains("error[PL109]") && came.stderr.contains("next: check the path"),
            "{}",
            came.stderr
        );
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let output = user.command("sim list").stdout(full).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_charts_folder_is_read_as_helm_reads_it() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    std::fs::create_dir_all(user.path("chart/templates")).expect("a folder");
    user.write("chart/Chart.yaml", "apiVersion: v2\nname: control-plane\nversion: 2.19.1\n");
    user.write("chart/.helmignore", "*.socket\nrun/\n");
    // A chart that was made would not be a file of the chart, and what is neither file nor folder is refused.
    let listener = std::os::unix::net::UnixListener::bind(user.path("chart/a.socket")).expect("a socket");
    let came = user.run("plan --sim here --to 2.20 --chart chart");
    assert!(came.stderr.contains("control-plane 2.19.1"), "{}", came.stderr);
    user.write("chart/.helmignore", "run/\n");
    let came = user.run("plan --sim here --to 2.20 --chart chart");
    assert!(came.code == 10 && came.stderr.contains("a.socket is neither a file nor a folder"), "{}", came.stderr);
    user.write("chart/.helmignore", "**/x\n");
    let came = user.run("plan --sim here --to 2.20 --chart chart");
    assert!(came.code == 10 && came.stderr.contains(".helmignore:1"), "{}", came.stderr);
    drop(listener);
}

#[test]
fn a_plan_that_is_not_safe_is_not_applied() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let before = user.installation("here");
    let came = user.run("apply --sim here --to 2.20 --without keep-claims,retain-volumes");
    assert_eq!(came.code, 3, "{}", came.stderr);
    let last = came.stderr.lines().rev().find(|line| !line.starts_with(' ')).unwrap_or_default();
    assert!(last.starts_with("error[PL501]: with this plan a volume can end Lost"), "{last}");
    assert_eq!(before, user.installation("here"));
    assert!(user.journal("here").is_empty());
}

#[test]
fn a_database_that_would_not_open_stops_the_upgrade_before_anything_is_written() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let older = user.installation("here").replace("15.18", "14.22");
    assert_ne!(older, user.installation("here"));
    user.write("here/installation.json", &older);
    for line in ["plan --sim here --to 2.20", "plan --sim here --to 2.20 --no-rehearsal --detailed-exitcode"] {
        let came = user.run(line);
        assert_eq!(came.code, 3, "{line}\n{}{}", came.stdout, came.stderr);
        assert!(came.stdout.contains("error[PL221]"), "{}", came.stdout);
    }
    // What a rehearsal does not see blocks it all the same, and it does not send anybody on to apply.
    let came = user.run("rehearse --sim here --to 2.20");
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    assert!(came.stderr.contains("error[PL221]"), "{}", came.stderr);
    assert!(came.stdout.contains("Blocked: [PL221]") && !came.stdout.contains("portolan apply"), "{}", came.stdout);
    let came = user.run("upgrade --sim here --to 2.20 --yes");
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    assert!(came.stderr.contains("PL221"), "{}", came.stderr);
    assert_eq!(user.installation("here"), older);
    assert_eq!(user.journal("here"), Vec::<String>::new());
}

#[test]
fn a_command_of_other_tools_names_the_one_that_does_its_work() {
    let user = User::new();
    for (word, says) in [("resume", "portolan apply RUN"), ("undo", "report.md"), ("rollback", "report.md")] {
        let came = user.run(word);
        assert_eq!(came.code, 64, "{}", came.stderr);
        assert!(came.stderr.contains(says) && !came.stderr.contains("bundle"), "{}", came.stderr);
    }
    // Another word gets clap's own tip.
    assert!(user.run("surve").stderr.contains("'survey'"), "{}", user.run("surve").stderr);
}
