//! `cargo xtask picture`: what the program prints on a simulated installation, as pictures for the README.

use std::ops::Range;
use std::path::Path;

use anstyle::{Color, RgbColor};
use anstyle_svg::{Palette, Term};
use anyhow::{Context, Result, bail};

use portolan_trials::program::Program;

/// A picture: a command, and the parts of its output that tell the story.
struct Picture {
    /// Its file in `docs/`.
    file: &'static str,
    /// What is typed after `portolan`.
    command: &'static str,
    /// The parts: from the line that begins with the first up to the line that begins with the second.
    parts: &'static [(&'static str, &'static str)],
}

const PICTURES: [Picture; 2] = [
    Picture {
        file: "rehearse.svg",
        command: "rehearse --sim openshift-2.8 --to 2.20 --without keep-claims,retain-volumes",
        parts: &[
            ("VOLUME", "pvc-22653582-0ed2-9163 (pvc-postgresql)"),
            ("The shortest way there:", "Decided by rule"),
            ("Prevented by", "No rules for"),
            ("Not Safe", "Next:"),
        ],
    },
    Picture {
        file: "upgrade.svg",
        command: "upgrade --sim openshift-2.8 --to 2.20 --yes",
        parts: &[("[1/14]", "Simulated"), ("Finished", "Volumes"), ("VOLUME  ", "Database"), ("identity", "CHANGE")],
    },
];

/// What stands before each line.
const MARGIN: &str = " ";

/// Room for the 100 columns that the program writes and a margin on either side, of 8.4 pixels each.
const WIDTH: usize = 857;

/// Dark, with a colour of its own: it is read on a light page and on a dark one.
const BACKGROUND: Color = rgb(0x1b, 0x20, 0x27);
const FOREGROUND: Color = rgb(0xe2, 0xe6, 0xeb);

/// The colours that the report uses, each at least 4.5 times as bright as the background.
const PALETTE: Palette = {
    let mut colors = anstyle_svg::VGA.0;
    colors[1] = RgbColor(0xff, 0x7b, 0x72);
    colors[2] = RgbColor(0x5f, 0xcf, 0x7a);
    colors[3] = RgbColor(0xe3, 0xb3, 0x41);
    colors[6] = RgbColor(0x6c, 0xc7, 0xe0);
    Palette(colors)
};

const fn rgb(red: u8, green: u8, blue: u8) -> Color {
    Color::Rgb(RgbColor(red, green, blue))
}

/// Writes the pictures; with `check` only says whether they are stale.
pub(crate) fn write(root: &Path, check: bool) -> Result<()> {
    let program = Program::build(root)?;
    for picture in &PICTURES {
        let path = root.join("docs").join(picture.file);
        let image = picture.draw(&program)?;
        if fs_err::read_to_string(&path).is_ok_and(|there| there == image) {
            continue;
        }
        if check {
            bail!("docs/{} is stale: cargo xtask picture", picture.file);
        }
        fs_err::write(&path, image)?;
        println!("wrote docs/{}", picture.file);
    }
    Ok(())
}

impl Picture {
    fn draw(&self, program: &Program) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let mut words: Vec<&str> = self.command.split(' ').collect();
        words.extend(["--color", "always"]);
        let said = program.run(folder.path(), &words)?;
        let (dim, bold) = (anstyle::Style::new().dimmed(), anstyle::Style::new().bold());
        let mut lines = vec![format!("{dim}${dim:#} {bold}portolan {}{bold:#}", self.command), String::new()];
        let told = settled(&said);
        let mut end = 0;
        for (at, (from, until)) in self.parts.iter().enumerate() {
            let part = part(&told, end, from, until)
                .with_context(|| format!("{}: no `{from}` before `{until}`", self.file))?;
            if at > 0 {
                let is_next = told[end..part.start].iter().all(|line| line.is_empty());
                lines.push(if is_next { String::new() } else { format!("{dim}  …{dim:#}") });
            }
            end = part.end;
            lines.extend_from_slice(&told[part]);
        }
        lines.push(String::new());
        let text: Vec<String> = lines.iter().map(|line| format!("{MARGIN}{line}")).collect();
        let term = Term::new().palette(PALETTE).bg_color(BACKGROUND).fg_color(FOREGROUND).min_width_px(WIDTH);
        // Browsers do not know the opacity of a part of a text, and four tenths are too little to be read.
        Ok(term.render_svg(&text.join("\n")).replace(" opacity: 0.4;", " fill-opacity: 0.65;"))
    }
}

/// The lines of a part that begins at a line or after it, without blank ones at the part's end.
fn part(lines: &[String], after: usize, from: &str, until: &str) -> Option<Range<usize>> {
    let start = after + lines[after..].iter().position(|line| plain(line).starts_with(from))?;
    let mut end = start + lines[start..].iter().position(|line| plain(line).starts_with(until))?;
    while lines[start..end].last().is_some_and(|line| line.is_empty()) {
        end -= 1;
    }
    (start < end).then_some(start..end)
}

/// What is printed without what differs from one run to the next, and of each step the last line only: a terminal's reader
/// has seen the others go by.
fn settled(said: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in said.lines() {
        // The seconds, where they did not fit on the line of their sentence.
        let is_left_over = line.trim().strip_suffix(" s.").is_some_and(|seconds| seconds.parse::<f64>().is_ok());
        if let Some(before) = lines.last_mut().filter(|before| is_left_over && before.ends_with(", in")) {
            let rest = before.len() - ", in".len();
            before.replace_range(rest.., ".");
            continue;
        }
        let step = step(line);
        if step.is_some() && lines.last().and_then(|last| self::step(last)) == step {
            lines.pop();
        }
        lines.push(untimed(line));
    }
    lines
}

/// `[3/12]`, where a line begins with such a thing.
fn step(line: &str) -> Option<&str> {
    let (step, _) = line.split_once(' ')?;
    (step.starts_with('[') && step.ends_with(']')).then_some(step)
}

/// Without the seconds that a search took.
fn untimed(line: &str) -> String {
    let timed = line.strip_suffix(" s.").and_then(|rest| rest.rsplit_once(", "));
    match timed {
        Some((rest, seconds)) if seconds.trim_start_matches("in ").parse::<f64>().is_ok() => format!("{rest}."),
        _ => line.to_owned(),
    }
}

/// Without colours.
fn plain(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pictures_are_those_of_the_program() {
        write(crate::root(), true).expect("fresh");
    }

    #[test]
    fn a_part_ends_before_the_next_and_its_blank_lines() {
        let lines: Vec<String> = ["a", "\u{1b}[1mHead\u{1b}[0m", "b", "", "Next"].map(str::to_owned).to_vec();
        assert_eq!(part(&lines, 0, "Head", "Next"), Some(1..3));
        assert_eq!(part(&lines, 0, "Head", "nowhere"), None);
        assert_eq!(part(&lines, 2, "Head", "Next"), None);
    }

    #[test]
    fn nothing_of_the_time_is_left_and_of_a_step_its_last_line() {
        let said = "[1/2] keep\n[1/2] keep   done\n[2/2] wait\nin 3 worlds, 4 crash points, 0.1 s.\nkeep, 3 s.\n  points, in 0.1 s.";
        let want = ["[1/2] keep   done", "[2/2] wait", "in 3 worlds, 4 crash points.", "keep.", "  points."];
        assert_eq!(settled(said), want);
        assert_eq!(settled("any of 4 points, in\n  0.1 s.\nVolumes"), ["any of 4 points.", "Volumes"]);
    }
}
