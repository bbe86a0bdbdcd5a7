//! Settings that hold one word and get another, or go: `MODE=primary` becomes `MODE=standby`, `--profile=a` goes.
//! What a program makes of such a word is not known, unless its name or the word says that it is about something beside the data. Words
//! that come where none was are judged by the lists of `recipes/programs.yaml`, and those that change their name in `renamed.rs`.

use portolan_recipe::DataWords;

use super::database;
use super::told::{Form, Setting, Told, bare_text};

/// The first setting of today whose word is another one, or is said no more.
pub(super) fn another_word<'a>(words: &DataWords, [before, after]: [&'a Told; 2]) -> Option<&'a Setting> {
    before.settings.iter().filter(|old| !old.is_beside).find(|old| match old.form {
        // Words without a flag are compared as they stand.
        Form::Argument if !old.name.starts_with('-') => false,
        Form::Argument | Form::Variable => is_said_otherwise(words, old, before, after),
        Form::Line if old.is_item => is_item_gone(words, old, after),
        Form::Line => is_line_changed(words, old, before, after),
    })
}

/// One of a list of texts that is there no more, nor anywhere else.
fn is_item_gone(words: &DataWords, old: &Setting, after: &Told) -> bool {
    is_word(words, &old.text)
        && !is_about_else(words, old)
        && !words.is_list_of_else(&old.block, &old.name)
        && !after.settings.iter().any(|new| bare_text(&new.text) == bare_text(&old.text))
}

/// A variable, or the text of a flag.
fn is_said_otherwise(words: &DataWords, old: &Setting, before: &Told, after: &Told) -> bool {
    if !is_word(words, &old.text) || is_about_else(words, old) {
        return false;
    }
    let new = after.texts(old);
    if new.is_empty() {
        // It may come out of an object that is not read.
        let is_elsewhere = after.sources > before.sources || after.variables.contains(&old.name);
        let is_said = after.settings.iter().any(|other| bare_text(&other.text) == bare_text(&old.text));
        return !is_elsewhere && !is_said && !before.puts_in(&old.name);
    }
    // What is made of a variable is compared where it is put in, and the name of a database by itself.
    let is_database = database::named(&old.name, &old.text).is_some();
    !is_database && !new.iter().any(|text| bare_text(text) == bare_text(&old.text)) && !before.puts_in(&old.name)
}

/// A line of a configuration that is there once on both sides: what is there several times is a list as a rule, of jobs or of rules.
fn is_line_changed(words: &DataWords, old: &Setting, before: &Told, after: &Told) -> bool {
    let is_one = before.texts(old).len() == 1;
    match after.texts(old).as_slice() {
        [new] if is_one => {
            bare_text(new) != bare_text(&old.text) && is_word(words, &old.text) && !is_about_else(words, old)
        }
        _ => false,
    }
}

/// Whether a text is one word that may name something: no path, address or version.
fn is_word(words: &DataWords, text: &str) -> bool {
    let text = bare_text(text);
    words.may_be_name(text)
        && !text.contains(['/', ':', '?', '=', '@', '&', '%'])
        && !text.split('.').skip(1).any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a setting is about something beside the data, or is compared elsewhere, as other hosts are.
fn is_about_else(words: &DataWords, one: &Setting) -> bool {
    one.is_about_else(words) || words.is_of_host(&one.name) || is_of_servers(words, one)
}

/// Whether a setting says which servers have the data: those are compared by themselves.
fn is_of_servers(words: &DataWords, one: &Setting) -> bool {
    words.names_host(&one.name) && words.is_of_servers("", &one.block, &one.name)
}
