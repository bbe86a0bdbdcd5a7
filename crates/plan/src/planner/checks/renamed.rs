//! Settings that keep their text and get another name, or stand in another block of their file: a program that reads the old one starts
//! with what it has by itself. Paths on the volume are compared where they lead.

use portolan_recipe::DataWords;

use super::told::{Form, Setting, Told, bare_text};

/// A setting of before that goes, and the one of after that comes with its text.
pub(super) fn renamed<'a>(words: &DataWords, [before, after]: [&'a Told; 2]) -> Option<(&'a Setting, &'a Setting)> {
    let goes = |one: &&Setting| after.texts(one).is_empty();
    let comes = |one: &&Setting| before.texts(one).is_empty();
    let is_looked_at = |one: &&Setting| !one.is_beside && !one.is_about_else(words);
    let gone: Vec<&Setting> = before.settings.iter().filter(goes).filter(is_looked_at).collect();
    let mut come = after.settings.iter().filter(comes).filter(is_looked_at);
    come.find_map(|new| {
        let is_it = |old: &&&Setting| {
            bare_text(&old.text) == bare_text(&new.text)
                && (old.form == new.form || is_last_word_same(old, new))
                && tells(words, old, new)
                && !is_put_in(old, new, [before, after])
        };
        Some((*gone.iter().find(is_it)?, new))
    })
}

/// Whether a text may be the name of something: of a database, a tenant, a mode. A number is one only in a setting that is about data.
fn tells(words: &DataWords, old: &Setting, new: &Setting) -> bool {
    let text = bare_text(&old.text);
    // A key of an object that is not read.
    let is_key = || text.strip_prefix('$').is_some_and(|rest| rest.contains("KeyRef"));
    words.may_be_name(text)
        || is_key()
        || (text.parse::<u64>().is_ok() && [old, new].iter().any(|one| words.is_about_data(&one.full_name())))
}

fn is_last_word_same(old: &Setting, new: &Setting) -> bool {
    let last = |one: &Setting| DataWords::last_word(&one.name);
    last(old).is_some() && last(old) == last(new)
}

/// Whether both are variables that the program gets by the texts into which they are put: those of today name the one, the new ones
/// the other.
fn is_put_in(old: &Setting, new: &Setting, [before, after]: [&Told; 2]) -> bool {
    old.form == Form::Variable
        && new.form == Form::Variable
        && before.puts_in(&old.name)
        && after.puts_in(&new.name)
        && !after.puts_in(&old.name)
}
