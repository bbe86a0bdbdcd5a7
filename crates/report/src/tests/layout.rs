//! What holds for every page at every width.

use portolan_model::{Code, Finding, Outcome};

use super::samples::{self, FOLDER, rehearsed};
use crate::text::clean;
use crate::words::{span, thousands, time};
use crate::wrap::{width, wrap, wrap_command};
use crate::{Document, Style};

fn all() -> Vec<(&'static str, Document)> {
    let (plan, safe, lost) = (samples::plan(), samples::safe(), samples::lost());
    let (bare, detached) = samples::unguarded();
    let halted = Outcome::Halted { finding: samples::moved() };
    let lines = vec![(113, "helm upgrade -i runai-backend -n runai-backend --set a.b=c --set d.e=f".to_owned())];
    let volume = format!("pvc-{}", "0123456789abcdef-".repeat(3));
    let mut inventory = samples::inventory();
    inventory.volumes[0].volume = Some(portolan_model::Ref::volume(&volume));
    vec![
        ("survey", crate::survey(&samples::inventory(), Some("Simulated installation openshift-2.8."))),
        ("survey, long names", crate::survey(&inventory, None)),
        ("plan", crate::plan(&plan, &plan.digest(), Some(&rehearsed(&safe)), crate::Commands::Shown)),
        ("plan, not Safe", crate::plan(&bare, &bare.digest(), Some(&rehearsed(&detached)), crate::Commands::Hidden)),
        ("rehearsal", crate::rehearsal(&plan, &rehearsed(&safe))),
        ("rehearsal, not Safe", crate::rehearsal(&bare, &rehearsed(&detached))),
        ("page", crate::page_script("The page", &lines, &rehearsed(&lost), &[])),
        ("finding", crate::finding(&samples::moved())),
        ("status", crate::status(&plan, &samples::journal(5, Some(halted)), FOLDER)),
        (
            "run",
            crate::run(
                &plan,
                &samples::journal(8, Some(Outcome::Finished)),
                &samples::run_end(Some(&rehearsed(&safe)), &samples::now()),
            ),
        ),
    ]
}

fn plain(columns: usize) -> Style {
    Style { color: false, ascii: true, width: columns }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, page) in all() {
        for columns in [40, 60, 72, 80, 99, 100, 200] {
            for line in page.terminal(&plain(columns)).lines() {
                // A command's word cannot be broken; every other line can.
                let unbreakable = line
                    .trim()
                    .trim_end_matches(" \\")
                    .split(' ')
                    .any(|word| width(word) + 10 > columns && (word.starts_with('\'') || word.contains('=')))
                    || line.contains("--set ")
                    || line.contains(".tgz");
                let room = columns.min(120);
                assert!(width(line) <= room || unbreakable, "{name} at {columns}: {} columns: {line}", width(line));
                assert!(!line.ends_with(' '), "{name}: spaces at the end: {line}");
            }
        }
        let wide = page.terminal(&plain(200));
        assert!(wide.lines().all(|line| width(line) <= 120), "{name}");
    }
}

#[test]
fn colours_only_where_they_are_asked_for_and_without_a_meaning_of_their_own() {
    let mut colourful = 0;
    for (name, page) in all() {
        let bare = page.terminal(&plain(100));
        let coloured = page.terminal(&Style { color: true, ..plain(100) });
        assert!(!bare.contains('\u{1b}'), "{name}");
        assert_eq!(stripped(&coloured), bare, "{name}");
        colourful += usize::from(coloured.contains('\u{1b}'));
        assert!(!page.markdown().contains('\u{1b}'), "{name}");
    }
    assert_eq!(colourful, all().len());
    let (bare, detached) = samples::unguarded();
    let style = Style { color: true, ..plain(100) };
    assert!(
        crate::rehearsal(&samples::plan(), &rehearsed(&samples::safe()))
            .terminal(&style)
            .contains("\u{1b}[32mSafe\u{1b}[0m")
    );
    assert!(crate::rehearsal(&bare, &rehearsed(&detached)).terminal(&style).contains("\u{1b}[31mDetached\u{1b}[0m"));
}

fn stripped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn ascii_is_ascii_and_the_tone_is_quiet() {
    for (name, page) in all() {
        let text = page.terminal(&plain(100));
        assert!(text.is_ascii(), "{name}");
        // The legend and its mark are the only exclamation marks.
        let marks = text.replace("! cannot be undone", "").replace("7  ! helm", "").replace("6  ! helm", "");
        assert!(!marks.contains('!'), "{name}: {marks}");
        assert!(!text.contains("successfully"), "{name}");
    }
    let page = crate::finding(&samples::moved());
    assert!(page.terminal(&Style { ascii: false, ..plain(100) }).contains("keep \u{2192} (absent)"));
}

#[test]
fn text_of_others_cannot_move_the_cursor_or_end_a_table() {
    assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{202e}d"), "a[2Jb  cd");
    let finding = Finding::blocking(Code::WriteRefused, "denied | <b>\u{1b}[31m").with("*one*\ntwo");
    let page = crate::finding(&finding);
    assert!(!page.terminal(&plain(100)).contains('\u{1b}'));
    assert!(page.markdown().contains("denied \\| &lt;b>[31m\n>\n> - \\*one\\*\n> - two\n"), "{}", page.markdown());
    let table = Document::table(&["A", "B"], &[vec!["x|y".into(), "`p|q` _z_ a_b".into()]]);
    assert_eq!(table.markdown(), "| A | B |\n|---|---|\n| x\\|y | `p\\|q` \\_z\\_ a_b |\n");
}

#[test]
fn a_broken_command_is_still_the_command() {
    let command = "helm upgrade r chart.tgz -n ns --set 'a b=c d' --set e={f:1} -f values.yaml --description \"x  y\"";
    for room in [20, 30, 48, 80] {
        let lines = wrap_command(command, room);
        assert!(lines[..lines.len() - 1].iter().all(|line| line.ends_with(" \\")), "{lines:?}");
        let joined: Vec<&str> = lines.iter().map(|line| line.trim_end_matches(" \\").trim_start()).collect();
        assert_eq!(joined.join(" "), command);
    }
    assert_eq!(wrap_command("kubectl get pods", 40), ["kubectl get pods"]);
}

#[test]
fn phrases_stay_together_and_long_names_break_at_their_joints() {
    let text = |columns: usize, line: &str| -> Vec<String> {
        let lines = wrap(&line.into(), columns);
        lines.iter().map(|line| line.0.iter().map(|(_, text)| text.as_str()).collect()).collect()
    };
    assert_eq!(text(20, "one two three   four five six"), ["one two three", "four five six"]);
    assert_eq!(text(12, "runai-backend-postgresql"), ["runai-", "backend-", "postgresql"]);
    assert_eq!(text(4, "abcdefgh"), ["abcd", "efgh"]);
    assert_eq!(text(10, ""), [""]);
}

#[test]
fn numbers_and_times_read_well() {
    assert_eq!([0, 999, 1_000, 31_204, 1_234_567].map(thousands), ["0", "999", "1,000", "31,204", "1,234,567"]);
    assert_eq!([5, 119, 412, 7_320].map(span), ["5 s", "119 s", "6 min 52 s", "2 h 2 min"]);
    assert_eq!(time(0), "1970-01-01T00:00:00Z");
    assert_eq!(time(951_782_399), "2000-02-28T23:59:59Z");
    assert_eq!(time(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(time(1_754_042_400), "2025-08-01T10:00:00Z");
}

#[test]
fn an_advised_command_stays_whole() {
    let patch = "kubectl patch pv pvc-b709c5bd-94d2-7398 -p '{\"spec\":{\"claimRef\":{\"uid\":null, \"a\":1}}}' && echo '{\"kind\":\"X (y)\"}' \
                 | kubectl create -f -";
    let advice = format!("do this: {patch}, then plan again; or kubectl get pv (as an admin)");
    assert_eq!(crate::commands(&advice), [patch, "kubectl get pv"]);
    assert_eq!(crate::commands("portolan apply 3f9c2a71"), Vec::<&str>::new());
    let finding = portolan_model::Finding::blocking(portolan_model::Code::ClaimGone, "it is gone").next(advice);
    for ascii in [true, false] {
        let style = crate::Style { color: false, ascii, width: 60 };
        let text = crate::finding(&finding).terminal(&style);
        assert!(text.lines().any(|line| line.contains(patch)), "{text}");
    }
}
