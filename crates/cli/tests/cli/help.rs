use crate::support::User;

const COMMANDS: [&str; 12] = [
    "",
    "survey",
    "plan",
    "rehearse",
    "apply",
    "upgrade",
    "status",
    "verify",
    "page",
    "sim list",
    "sim new",
    "sim settle",
];

#[test]
fn help_begins_with_an_example_that_is_understood() {
    let user = User::new();
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let text = user.ok(&format!("{command} {flag}"));
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("Example:"), "{command}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{command}: a line is too long");
            for example in lines.take_while(|line| !line.is_empty()) {
                let words = example.split("   ").find(|part| !part.trim().is_empty()).unwrap_or_default();
                let words = words.trim().strip_prefix("portolan ").expect("an example is a command");
                // Each by a user of its own: one may make what another one made.
                let came = User::new().run(words);
                assert!(
                    !came.stderr.contains("[PL113]"),
                    "{command}: the example `{words}` is not understood\n{}",
                    came.stderr
                );
            }
        }
    }
}

#[test]
fn a_command_shows_its_own_options_and_one_line_for_the_others() {
    let user = User::new();
    let text = user.ok("plan --help");
    assert!(text.contains("--to <VERSION>") && text.contains("portolan --help"), "{text}");
    assert!(!text.contains("--kubeconfig <FILE>"), "{text}");
    assert!(user.ok("--help").contains("--kubeconfig <FILE>"));
    assert!(user.ok("sim new --help").lines().all(|line| !line.contains("--state-dir <FOLDER>")));
}

#[test]
fn help_lists_every_exit_code() {
    let text = User::new().ok("--help");
    for (exit, meaning) in portolan_model::Exit::TABLE {
        let line = format!("{:>4}  {meaning}", exit as u8);
        assert!(text.lines().any(|its| its == line), "not in help: {line}");
    }
}
