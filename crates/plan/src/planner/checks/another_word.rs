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
        Form::Line if old.is_item => is_item_gone(words, old, before, after),
        Form::Line => is_line_changed(words, old, before, after),
    })
}

/// One of a list of texts that is there no more, nor anywhere else.
fn is_item_gone(words: &DataWords, old: &Setting, before: &Told, after: &Told) -> bool {
    let has = || after.texts(old).iter().any(|text| bare_text(text) == bare_text(&old.text));
    is_word(words, &old.text)
        && !is_about_else(words, old)
        && !words.is_list_of_else(&old.block, &old.name)
        && !has()
        && !is_said_elsewhere(old, before, after)
}

/// Whether what a setting says is said by another one in its place: as often as today.
fn is_said_elsewhere(old: &Setting, before: &Told, after: &Told) -> bool {
    let count = |told: &Told| told.settings.iter().filter(|one| bare_text(&one.text) == bare_text(&old.text)).count();
    count(after) >= count(before)
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
        return !is_elsewhere && !is_said_elsewhere(old, before, after) && !before.puts_in(&old.name);
    }
    // What is made of a variable is compared where it is put in, and the name of a database by itself.
    let is_database = database::named(&old.name, &old.text).is_some();
    // More may come to a list.
    let has = |text: &&str| bare_text(text).split(',').any(|entry| entry.trim() == bare_text(&old.text));
    !is_database && !new.iter().any(has) && !before.puts_in(&old.name)
}

/// A line of a configuration whose word is another one, or that goes. What is there several times is a list as a rule, of jobs or of
/// rules: a word that several of its entries have is no name of one of them.
fn is_line_changed(words: &DataWords, old: &Setting, before: &Told, after: &Told) -> bool {
    let count = |told: &Told| told.texts(old).iter().filter(|text| bare_text(text) == bare_text(&old.text)).count();
    let (was, is) = (before.texts(old).len(), after.texts(old).len());
    let is_other = was == is && (was == 1 || count(before) > 1);
    let is_gone = is == 0 && is_in_file(old, before, after) && !is_said_elsewhere(old, before, after);
    count(after) < count(before) && (is_other || is_gone) && is_word(words, &old.text) && !is_about_else(words, old)
}

/// Whether the file of a line is there, though it may be of another object.
fn is_in_file(old: &Setting, before: &Told, after: &Told) -> bool {
    let mut others = before.settings.iter().filter(|one| one.object == old.object && one.field == old.field);
    others.any(|one| after.same(one).any(|new| new.text == one.text))
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
    one.is_about_else(words) || words.is_place(&one.name) || is_of_servers(words, one)
}

/// Whether a setting says which servers have the data: those are compared by themselves.
fn is_of_servers(words: &DataWords, one: &Setting) -> bool {
    words.names_host(&one.name) && words.is_of_servers("", &one.block, &one.name)
}
