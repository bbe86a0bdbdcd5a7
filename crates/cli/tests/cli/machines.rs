use std::io::{BufRead, BufReader};

use crate::support::User;

/// In this order, on one installation; `-o` is added.
const COMMANDS: [&str; 10] = [
    "sim list",
    "sim new openshift-2.8 FOLDER",
    "survey --sim FOLDER",
    "plan --sim FOLDER --to 2.20",
    "rehearse --sim FOLDER --to 2.20",
    "page --sim FOLDER",
    "upgrade --sim FOLDER --to 2.20 --yes",
    "status --sim FOLDER",
    "verify --sim FOLDER",
    "upgrade --sim FOLDER --to 2.20 --yes",
];

#[test]
fn machines_get_one_document_and_nothing_else() {
    let user = User::new();
    for command in COMMANDS {
        let text = user.ok(&format!("{} -o json", command.replace("FOLDER", "json")));
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{command}: {error}\n{text}"));
        let text = user.ok(&format!("{} -o yaml", command.replace("FOLDER", "yaml")));
        serde_saphyr::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{command}: {error}\n{text}"));
    }
}

#[test]
fn colours_are_for_terminals_and_no_color_wins() {
    let user = User::new();
    let colours = |line: &str, refused: bool| {
        let mut command = user.command(line);
        if refused {
            command.env("NO_COLOR", "1");
        }
        command.output().expect("it runs").stdout.contains(&0x1b)
    };
    assert!(!colours("plan --sim openshift-2.8 --to 2.20", false));
    assert!(colours("plan --sim openshift-2.8 --to 2.20 --color always", false));
    assert!(!colours("plan --sim openshift-2.8 --to 2.20 --color always", true));
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_stops_no_run() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    for line in ["--help", "plan --sim here --to 2.20", "upgrade --sim here --to 2.20 --yes"] {
        let mut child = user.command(line).spawn().expect("it starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
        // Progress has no reader either.
        drop(child.stderr.take());
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{line}");
    }
    assert!(user.ok("status --sim here").contains("Finished"));
}
