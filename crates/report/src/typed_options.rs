//! The next commands of a page, with the options that make them reach the same installation.

use crate::page::{Block, Document};

/// Commands that look for a run of an earlier command.
const OF_A_RUN: [&str; 3] = ["status", "verify", "archive"];

/// What has to be typed again for a command to reach the same installation, release and runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedOptions {
    /// The options, as a shell takes them: `--sim ./practice --namespace prod`. Empty where none was typed.
    pub words: String,
    /// What has to be typed again for the same plan to be made, beside its target: `--via 2.18 -f values.yaml`. Never a credential.
    pub planning: String,
    /// The simulated installation, where each command makes it anew: it keeps no run for the next command.
    pub not_kept: Option<String>,
}

impl TypedOptions {
    /// A command of ours completed; any other text as it is.
    fn complete(&self, command: &str) -> String {
        // Simulated installations are made and listed wherever the others work.
        let is_ours = command.starts_with("portolan ") && !command.starts_with("portolan sim ");
        if !is_ours || command.contains(['(', ';', ',', '`']) {
            return command.to_owned();
        }
        // Only a command that makes the plan again names its target; an export's is a folder, and a push's a registry.
        let is_other = ["portolan archive ", "portolan bundle "].iter().any(|start| command.starts_with(start));
        let is_planning = command.contains(" --to ") && !is_other;
        let planning = if is_planning { self.planning.as_str() } else { "" };
        let words = [command, planning, &self.words];
        words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Whether a command looks for a run that is not kept.
    fn finds_no_run(&self, command: &str) -> bool {
        let words: Vec<&str> = command.split(' ').collect();
        let verb = words.get(1).copied().unwrap_or_default();
        let names_a_run = verb == "apply" && words.get(2).is_some_and(|word| !word.starts_with('-'));
        self.not_kept.is_some() && words[0] == "portolan" && (names_a_run || OF_A_RUN.contains(&verb))
    }

    fn next(&self, command: &str, note: &str) -> (String, String) {
        match &self.not_kept {
            Some(name) if self.finds_no_run(command) => (
                format!("portolan sim new {name} ./practice"),
                "keeps a simulation for several commands, each with --sim ./practice".into(),
            ),
            _ => (self.in_next(command), note.to_owned()),
        }
    }

    /// What to do next, with the commands completed that it is or has after a colon: `go on with that run: portolan apply 3f9c2a71;
    /// or ...`. Each goes to the next comma or semicolon.
    fn in_next(&self, next: &str) -> String {
        const LEAD: &str = ": ";
        let mut parts = next.split(": portolan ");
        let first = parts.next().unwrap_or_default();
        let mut all = self.complete(first);
        for part in parts {
            let end = [", ", "; "].iter().filter_map(|end| part.find(end)).min().unwrap_or(part.len());
            all.push_str(LEAD);
            all.push_str(&self.complete(&format!("portolan {}", &part[..end])));
            all.push_str(&part[end..]);
        }
        all
    }

    /// A text with the commands between backticks completed.
    fn in_text(&self, text: &str) -> String {
        let parts = text.split('`').enumerate();
        let parts: Vec<String> =
            parts.map(|(at, part)| if at % 2 == 1 { self.complete(part) } else { part.to_owned() }).collect();
        parts.join("`")
    }
}

impl Document {
    /// The page with its commands completed, so that they can be copied and run as they are.
    #[must_use]
    pub fn with_options(mut self, typed: &TypedOptions) -> Self {
        for block in &mut self.blocks {
            match block {
                Block::Next(next) => {
                    for item in next.iter_mut() {
                        *item = typed.next(&item.0, &item.1);
                    }
                    next.dedup();
                }
                Block::Finding(finding) => finding.next = typed.in_next(&finding.next),
                Block::Text(lines) => {
                    let spans = lines.iter_mut().flat_map(|line| &mut line.0);
                    spans.for_each(|(_, text)| *text = typed.in_text(text));
                }
                _ => {}
            }
        }
        self
    }

    /// The page of a plan that was saved to a file: its next command takes the file.
    #[must_use]
    pub fn of_saved_plan(mut self, file: &str) -> Self {
        for block in &mut self.blocks {
            if let Block::Next(next) = block {
                for (command, note) in next {
                    for verb in ["apply", "rehearse"] {
                        if command.starts_with(&format!("portolan {verb} --to ")) {
                            *command = format!("portolan {verb} {file}");
                            note.clear();
                        }
                    }
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Document {
        let mut page = Document::default();
        page.say("2 objects: `portolan archive list 3f9c2a71`.");
        page.then_next("portolan apply --to 2.20.41", "asks first");
        page
    }

    fn text(page: &Document) -> String {
        page.terminal(&crate::Style::default())
    }

    #[test]
    fn a_command_is_printed_as_it_has_to_be_typed() {
        let typed = TypedOptions { words: "--sim ./practice -n prod".into(), ..TypedOptions::default() };
        let text = text(&page().with_options(&typed));
        assert!(text.contains("Next: portolan apply --to 2.20.41 --sim ./practice -n prod      asks first"), "{text}");
        assert!(text.contains("`portolan archive list 3f9c2a71 --sim ./practice -n prod`"), "{text}");
    }

    #[test]
    fn a_command_that_plans_again_makes_the_same_plan() {
        let typed = TypedOptions {
            words: "-n prod".into(),
            planning: "--via 2.18 -f values.yaml".into(),
            ..TypedOptions::default()
        };
        let text = self::text(&page().with_options(&typed));
        assert!(text.contains("Next: portolan apply --to 2.20.41 --via 2.18 -f values.yaml -n prod "), "{text}");
        assert!(text.contains("`portolan archive list 3f9c2a71 -n prod`"), "{text}");
        let saved = self::text(&page().of_saved_plan("up.plan").with_options(&typed));
        assert!(saved.contains("Next: portolan apply up.plan -n prod\n"), "{saved}");
    }

    #[test]
    fn a_saved_plan_is_named_by_its_file() {
        let text = text(&page().of_saved_plan("up.plan"));
        assert!(text.contains("Next: portolan apply up.plan\n"), "{text}");
    }

    #[test]
    fn a_command_that_would_find_no_run_is_replaced() {
        let typed = TypedOptions {
            words: "--sim openshift-2.8".into(),
            not_kept: Some("openshift-2.8".into()),
            ..TypedOptions::default()
        };
        for command in ["portolan verify 3f9c2a71", "portolan apply 3f9c2a71", "portolan status 3f9c2a71"] {
            let text = text(&Document::next(command, "").with_options(&typed));
            assert!(text.contains("Next: portolan sim new openshift-2.8 ./practice"), "{command}\n{text}");
        }
        let text = text(&page().with_options(&typed));
        assert!(text.contains("portolan apply --to 2.20.41 --sim openshift-2.8"), "{text}");
    }

    #[test]
    fn each_command_of_an_advice_is_completed() {
        let typed =
            TypedOptions { words: "--sim ./practice".into(), planning: "--via 2.18".into(), ..TypedOptions::default() };
        let advice = "go on with that run: portolan apply 3f; or put back what it deleted: portolan archive restore 3f, then make \
                      another plan: portolan plan --to 2.20.41";
        let expected = "go on with that run: portolan apply 3f --sim ./practice; or put back what it deleted: portolan archive \
                        restore 3f --sim ./practice, then make another plan: portolan plan --to 2.20.41 --via 2.18 --sim \
                        ./practice";
        assert_eq!(typed.in_next(advice), expected);
    }

    #[test]
    fn what_a_code_says_is_next_is_completed_only_where_it_is_a_command() {
        let typed = TypedOptions { words: "--sim x".into(), ..TypedOptions::default() };
        for &code in portolan_model::Code::ALL {
            let next = typed.in_next(code.next());
            for command in next.split(" --sim x").take(next.matches(" --sim x").count()) {
                let at = command.rfind("portolan ").expect("a command");
                let is_part = |word: &str| {
                    word.starts_with('-')
                        || word.chars().all(|c| c.is_ascii_uppercase())
                        || ["portolan", "sim", "list", "plan", "status", "verify", "bundle", "inspect", "push"]
                            .contains(&word)
                };
                assert!(command[at..].split(' ').all(is_part), "{code}: a sentence has options in it: {next}");
            }
        }
    }

    #[test]
    fn a_sentence_stays_a_sentence() {
        let typed = TypedOptions { words: "-n prod".into(), ..TypedOptions::default() };
        for sentence in
            ["see its pods", "portolan status 3f says what to do, then portolan apply 3f", "portolan sim list"]
        {
            let text = text(&Document::next(sentence, "").with_options(&typed));
            assert!(!text.contains("-n prod"), "{text}");
        }
    }
}
