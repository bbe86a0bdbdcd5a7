//! What a program is told of its data by flags, variables and lines of its files: which data it uses, how long it keeps it, and
//! whether it throws it away. The words are in `recipes/programs.yaml`, those of known servers in `recipes/servers.yaml`.

use std::collections::BTreeSet;

use portolan_model::{Ref, Volume};
use portolan_recipe::{DataServers, DataWords, Eviction, OwnDatabase, is_at_least, is_off};

use super::Report;
use super::another_word::another_word;
use super::paths::{is_aside, parts};
use super::renamed::renamed;
use super::told::{Form, Setting, Told, bare_text, is_named};

/// Names what is told otherwise than today; whether anything is.
pub(super) fn compare(volume: &Volume, both: [&Told; 2], report: &mut Report) -> bool {
    let change = change(both).or_else(|| {
        // What is said of the program already says more than that a word of it is another one.
        let is_unknown = report.is_unknown(volume, &both[1].workload);
        (!is_unknown).then(|| word(both)).flatten()
    });
    let is_other = change.is_some();
    if let Some(change) = change {
        report.unknown(volume, change.object, change.field, (change.reason, change.way_out));
    }
    is_other
}

/// Why what an operator is told of a custom resource's data changes.
pub(super) fn of_operator(both: [&Told; 2]) -> Option<String> {
    change(both).map(|change| change.reason)
}

/// The first setting by which a program that asks the server of the data throws more of it away: the object and the field that have it, and
/// the reason.
pub(super) fn throws_more([before, after]: [&Told; 2]) -> Option<(&Ref, &str, String)> {
    let judge = Judge::of_both([before, after]);
    let come = after.settings.iter().filter(|one| !before.texts(one).contains(&one.text.as_str())).find_map(|one| {
        let throws = is_destructive(judge.words, one)
            .then(|| format!("it gets the setting {}, which may throw data away", one.name));
        let reason = throws.or_else(|| Some(judge.keeps_less(one, &before.texts(one), true)?.0))?;
        Some((&one.object, one.field.as_str(), reason))
    });
    let gone = before.settings.iter().filter(|one| after.texts(one).is_empty());
    let mut gone = gone.filter_map(|one| Some(judge.keeps_less(one, &[], false)?.0));
    come.or_else(|| Some((&after.workload, after.pointer.as_str(), gone.next()?)))
}

const OF_TODAY: &str = "see what it does; give the chart the settings of today";

/// What is told otherwise.
struct Change<'a> {
    object: &'a Ref,
    field: &'a str,
    reason: String,
    way_out: &'static str,
}

/// The first thing that is told otherwise and concerns the data.
fn change<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let words = DataWords::builtin();
    let judge = Judge::of_both([before, after]);
    let come = after.settings.iter().find_map(|one| {
        let (reason, way_out) = judge.of(one, before, true)?;
        Some(Change { object: &one.object, field: &one.field, reason, way_out })
    });
    // What is not given any more has no place among what will be.
    let goes = |reason: (String, &'static str)| {
        let (reason, way_out) = reason;
        Change { object: &after.workload, field: &after.pointer, reason, way_out }
    };
    let gone = || before.settings.iter().find_map(|one| judge.of(one, after, false)).map(goes);
    let falls_back = || before.settings.iter().find_map(|one| judge.falls_back(one, [before, after])).map(goes);
    let another_name = || {
        let (old, new) = renamed(words, [before, after])?;
        let (was, is) = (old.full_name(), new.full_name());
        let reason = format!(
            "its setting {was} is {is} now, with the same text: whether the program reads that one is not known"
        );
        Some(Change { object: &new.object, field: &new.field, reason, way_out: OF_TODAY })
    };
    let of_pod = || {
        let pair = [before, after];
        field_of_pod(pair).or_else(|| other_words(pair)).or_else(|| left_out(pair)).or_else(|| relative(words, pair))
    };
    let address = || address_gone(words, [before, after]);
    let command = || {
        let command = words.command(&after.arguments)?;
        (words.command(&before.arguments) != Some(command)).then(|| Change {
            object: &after.workload,
            field: &after.pointer,
            reason: format!("it is given `{command}`, which it is not today and which throws data away"),
            way_out: "see what it does; give the chart the arguments of today",
        })
    };
    come.or_else(gone).or_else(address).or_else(another_name).or_else(falls_back).or_else(of_pod).or_else(command)
}

/// A word that is another one, of which nothing is known.
fn word<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let old = another_word(DataWords::builtin(), [before, after])?;
    let name = old.full_name();
    let reason = format!("its setting {name} says something else than today, or nothing: what it decides is not known");
    let new = after.settings.iter().find(|new| new.form == old.form && new.full_name() == name);
    // What is said no more has a place where its file is still there.
    let is_file = |new: &&Setting| old.form == Form::Line && new.object == old.object && new.field == old.field;
    let new = new.or_else(|| after.settings.iter().find(is_file));
    let (object, field) = new.map_or((&after.workload, &after.pointer), |new| (&new.object, &new.field));
    Some(Change { object, field, reason, way_out: OF_TODAY })
}

/// The address of a database that goes, with none in its place: programs then begin on a database of their own.
fn address_gone<'a>(words: &DataWords, [before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    const SCHEMES: [&str; 7] =
        ["jdbc:", "postgres://", "postgresql://", "mysql://", "mariadb://", "mongodb://", "mongodb+srv://"];
    let is_named_one = |name: &str| words.addresses.iter().any(|word| is_named(name, word));
    let is_one = |setting: &&Setting| {
        let text = setting.text.trim_matches(['"', '\'']);
        !text.is_empty() && (is_named_one(&setting.name) || SCHEMES.iter().any(|scheme| text.starts_with(scheme)))
    };
    let gone = before.settings.iter().find(is_one)?;
    let is_elsewhere = after.sources > before.sources || after.variables.iter().any(|name| is_named_one(name));
    (!is_elsewhere && !after.settings.iter().any(|setting| is_one(&setting))).then(|| Change {
        object: &after.workload,
        field: &after.pointer,
        reason: format!(
            "its setting {} with the address of a database goes, and it may begin on one of its own",
            gone.name
        ),
        way_out: "give the chart the address of today under its own keys",
    })
}

/// A variable with a field of the pod that is another one: its account, a label, an annotation. What says of which version the chart is
/// changes with each.
fn field_of_pod<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    const OF_VERSION: [&str; 6] = ["version", "chart", "checksum", "hash", "revision", "rollme"];
    let is_of_version = |path: &str| OF_VERSION.iter().any(|word| path.to_lowercase().contains(word));
    after.of_pod.iter().find_map(|(name, new)| {
        let old = before.of_pod.get(name).filter(|old| old.path == new.path && old.text != new.text)?;
        // What is made of it is compared where it leads.
        let is_of_path = after.puts_in(name) && after.putting_in(name).all(|text| text.contains('/'));
        (!is_of_version(&old.path) && !is_of_path).then(|| Change {
            object: &after.workload,
            field: &after.pointer,
            reason: format!("its variable {name} is {} of the pod, which changes", old.path),
            way_out: "give the pod the account, labels and annotations of today",
        })
    })
}

/// Another command of the same program, or another thing that it is to work on: `serve orders` becomes `serve sales`.
fn other_words<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let sorted = |words: &[String]| {
        let mut all = words.to_vec();
        all.sort_unstable();
        all
    };
    // From where to where it copies, for example.
    let is_turned = before.operands != after.operands && sorted(&before.operands) == sorted(&after.operands);
    let (was, is) = match is_turned {
        true => (&before.operands, &after.operands),
        false => (&before.bare, &after.bare),
    };
    let is_other = !was.is_empty() && !is.is_empty() && was != is && before.image_name() == after.image_name();
    is_other.then(|| Change {
        object: &after.workload,
        field: &after.pointer,
        reason: format!("it is told `{}`, not `{}`", is.join(" "), was.join(" ")),
        way_out: "see what it does; give the chart the arguments of today",
    })
}

/// A variable that what starts the program takes away from it, or does no more.
fn left_out<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let name = before.left_out.symmetric_difference(&after.left_out).next()?;
    let what = if name == "*" { "its variables".to_owned() } else { format!("its variable {name}") };
    let reason = if after.left_out.contains(name) {
        format!("what starts it takes {what} away, which it has today: what it does without is not known")
    } else {
        format!("what starts it takes {what} away today, and does so no more")
    };
    Some(Change { object: &after.workload, field: &after.pointer, reason, way_out: "start it as today" })
}

/// A path that begins where the program does, and is another one, or not given any more. A path from the root is compared where it leads.
fn relative<'a>(words: &DataWords, [before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    before.settings.iter().filter(|one| is_relative_path(words, one)).find_map(|old| {
        let new = after.texts(old);
        let is_same = |text: &&str| parts(bare_text(text)) == parts(bare_text(&old.text));
        let is_gone = new.is_empty() && (old.form == Form::Line || before.puts_in(&old.name));
        (!is_gone && !new.iter().any(is_same)).then(|| {
            let now = after.settings.iter().find(|one| one.form == old.form && one.full_name() == old.full_name());
            let (object, field) = now.map_or((&after.workload, &after.pointer), |new| (&new.object, &new.field));
            let reason =
                format!("its setting {} names another folder below the one in which it begins", old.full_name());
            Change { object, field, reason, way_out: OF_TODAY }
        })
    })
}

fn is_relative_path(words: &DataWords, one: &Setting) -> bool {
    let text = bare_text(&one.text);
    let is_written_so = text.starts_with("./") || text.starts_with("../");
    let is_relative =
        text.contains('/') && is_relative(text) && !text.contains(|c: char| c.is_whitespace() || ":@?=,*".contains(c));
    is_relative
        && (is_written_so || words.is_path(&one.block, &one.name))
        && !one.is_beside
        && !one.is_about_else(words)
}

/// Whether a program is told of a file or a folder by a path that begins where the program does: `./data`, `path: app.db`.
pub(super) fn names_relative_path(told: &Told) -> bool {
    const FILES: [&str; 5] = ["path", "file", "filename", "location", "root"];
    let words = DataWords::builtin();
    told.settings.iter().filter(|one| !one.is_beside && !one.is_about_else(words)).any(|one| {
        let text = bare_text(&one.text);
        let is_last = || DataWords::last_word(&one.name).is_some_and(|last| FILES.contains(&last.as_str()));
        let is_letter = one.name.len() == 2 && one.name.starts_with('-');
        let is_file = || is_last() || is_letter || words.is_folder(&one.block, &one.name);
        let is_plain =
            words.may_be_name(text) && words.is_path(&one.block, &one.name) && (text.contains('.') || is_file());
        let is_database = |its: OwnDatabase| !its.is_in_memory && !its.file.trim_start_matches("//").starts_with('/');
        is_plain || is_relative_path(words, one) || OwnDatabase::of(text).is_some_and(is_database)
    })
}

/// Whether a server throws data out that is beyond its limits.
fn throws_out(evicts: &Eviction, told: &Told) -> bool {
    let mut by = told.settings.iter().filter(|one| one.is(&evicts.by));
    by.any(|one| bare_text(&one.text) != evicts.never)
}

/// The words by which settings are judged.
struct Judge<'a> {
    words: &'a DataWords,
    /// The names of settings that decide about data.
    decides: Vec<&'a str>,
    /// The names of limits beyond which its server throws data out, or takes none.
    limits: Vec<&'a str>,
    /// The first words of lines that say who may come to the data.
    admits: &'a [String],
    /// The names of lists to which more may come.
    lists: &'a [String],
}

impl<'a> Judge<'a> {
    /// For a program, before and after.
    fn of_both([before, after]: [&Told; 2]) -> Self {
        let words = DataWords::builtin();
        let server = DataServers::builtin().of_image(&before.image);
        let own = server.into_iter().flat_map(|server| &server.settings);
        let evicts = server.and_then(|server| server.evicts.as_ref()).filter(|evicts| throws_out(evicts, after));
        let limits = evicts.into_iter().flat_map(|evicts| &evicts.limits);
        Self {
            words,
            decides: own.chain(&words.uses).map(String::as_str).collect(),
            limits: limits.chain(server.into_iter().flat_map(|server| &server.limits)).map(String::as_str).collect(),
            admits: server.map_or(&[], |server| &server.admits),
            lists: server.map_or(&[], |server| &server.lists),
        }
    }
}

impl Judge<'_> {
    /// Why a setting, which comes or goes, concerns the data; `other` is what is told on the other side.
    fn of(&self, one: &Setting, other: &Told, comes: bool) -> Option<(String, &'static str)> {
        let others = other.texts(one);
        // A block in one line is compared by what it has.
        let is_block = one.form == Form::Line && one.text.starts_with('{') && one.text.ends_with('}');
        if is_block || others.contains(&one.text.as_str()) {
            return None;
        }
        let name = &one.name;
        if let Some(reason) = own_database(one, &others, comes) {
            return Some((reason, OF_TODAY));
        }
        if comes && is_destructive(self.words, one) {
            let how = if one.form == Form::Argument { "it is given" } else { "it gets the setting" };
            return Some((format!("{how} {name}, which it has not today and which may throw data away"), OF_TODAY));
        }
        let is_known = |word: &&str| match word.split_once('=') {
            Some((word, text)) => one.is(word) && one.text.contains(text),
            None => one.is(word),
        };
        if self.grows(one, &others, comes) {
            return None;
        }
        if self.decides.iter().any(is_known) {
            return Some((format!("its setting {name} changes, which decides what data it uses or keeps"), OF_TODAY));
        }
        if let Some(reason) = self.locks_out(one, comes).or_else(|| self.is_for_itself(one, &others, comes)) {
            return Some((reason, "see that who uses the data still may; give the chart the lines of today"));
        }
        // A variable of one word is a part of something that is compared where it is used.
        let is_folder =
            self.words.is_folder(&one.block, name) && (one.form != Form::Variable || name.contains(['_', '-']));
        if is_folder && others.iter().chain([&one.text.as_str()]).any(|text| is_relative(text)) {
            return Some((format!("its setting {name} names another folder"), OF_TODAY));
        }
        if self.encrypts_otherwise(one, &others, other, comes) {
            return Some((format!("its setting {name} changes, a key that data may be encrypted with"), OF_TODAY));
        }
        if let Some(mount) = self.is_above_data(one, &others, other, comes) {
            let reason = format!("its setting {name} names another folder than the one with {mount} in it");
            return Some((reason, OF_TODAY));
        }
        if let Some(reason) = self.is_in_memory(one, comes).or_else(|| self.names_new_file(one, &others, comes)) {
            return Some((reason, OF_TODAY));
        }
        // A path from the root is compared where it leads.
        let is_path =
            others.iter().chain([&one.text.as_str()]).all(|text| text.trim_matches(['"', '\'']).starts_with('/'));
        // A list of servers is compared by itself.
        let is_of_servers = one.text.contains("://") && self.words.is_of_servers("", &one.block, name);
        let is_of_owner = !is_path && !is_of_servers && self.words.identifies.iter().any(|word| one.is(word));
        if is_of_owner && (!comes || !others.is_empty()) {
            let reason = format!("its setting {name} changes, by which data belongs to a node, a cluster or a tenant");
            return Some((reason, OF_TODAY));
        }
        // A part of a layout that begins with a day which is past is about data that has been laid out otherwise.
        let had_layout = || other.settings.iter().any(|other| other.block == one.block && other.name == *name);
        let is_begun = one.name == "from" && had_layout() && other.is_to_come(one) == Some(false);
        let is_in_layout = || one.block.split('.').any(|block| self.words.layouts.iter().any(|word| word == block));
        if comes && one.form == Form::Line && is_in_layout() && is_begun {
            return Some((format!("its setting {name} says how data is laid out that is there"), OF_TODAY));
        }
        if !comes && one.form == Form::Line && is_in_layout() {
            return Some((format!("its setting {name} changes, by which data was laid out that is there"), OF_TODAY));
        }
        if let Some(block) = self.decisive(&one.block)
            && !other.settings.iter().any(|other| other.block.starts_with(block))
        {
            return Some((format!("its settings {block} change, which decide what data it uses or keeps"), OF_TODAY));
        }
        if let Some(reason) = self.switches_off(one, &others, comes).or_else(|| self.is_other_root(one, &others)) {
            return Some((reason, OF_TODAY));
        }
        self.keeps_less(one, &others, comes)
    }

    /// Whether it is a list that has all that it has today, and more.
    fn grows(&self, one: &Setting, others: &[&str], comes: bool) -> bool {
        let entries = |text: &str| -> BTreeSet<String> {
            let all = text.split(|c: char| c.is_whitespace() || ",[]\"'".contains(c)).filter(|entry| !entry.is_empty());
            all.map(str::to_owned).collect()
        };
        let stays = |other: &&str| {
            let (was, is) =
                if comes { (entries(other), entries(&one.text)) } else { (entries(&one.text), entries(other)) };
            was.is_subset(&is)
        };
        let has_more = if one.is_item { comes && !others.is_empty() } else { others.iter().any(stays) };
        self.lists.iter().any(|word| one.is(word)) && has_more
    }

    /// Why those who use the data may not come to it any more: the line that admits them goes, or one that rejects them comes.
    fn locks_out(&self, one: &Setting, comes: bool) -> Option<String> {
        let is_line = one.form == Form::Line && self.admits.contains(&one.name);
        let rejects = one.text.split_whitespace().any(|word| word == "reject");
        (is_line && rejects == comes).then(|| {
            let what = if comes { "comes and rejects some" } else { "goes and admits some" };
            format!("its line `{}` {what} who may use the data today", one.name)
        })
    }

    /// Why nobody outside the pod comes to the data any more: it listens to its own pod alone.
    fn is_for_itself(&self, one: &Setting, others: &[&str], comes: bool) -> Option<String> {
        let is_own = |text: &str| {
            let mut hosts = bare_text(text).split(',').map(str::trim).filter(|host| !host.is_empty()).peekable();
            hosts.peek().is_some() && hosts.all(|host| self.words.is_own_pod(host))
        };
        let is_looked_at = comes && !one.is_beside && !one.is_about_else(self.words) && self.words.listens(&one.name);
        let was_open = !others.is_empty() && !others.iter().any(|other| is_own(other));
        (is_looked_at && was_open && is_own(&one.text))
            .then(|| format!("its setting {} makes it listen to its own pod alone", one.full_name()))
    }

    /// Why a setting that comes switches off what keeps data, and was not off before.
    fn switches_off(&self, one: &Setting, others: &[&str], comes: bool) -> Option<String> {
        let is_off = |text: &str| self.words.switches_off(&one.block, &one.name, bare_text(text));
        let is_looked_at = comes && !one.is_beside && !one.is_about_else(self.words);
        (is_looked_at && is_off(&one.text) && !others.iter().any(|other| is_off(other)))
            .then(|| format!("its setting {} switches off what keeps data", one.full_name()))
    }

    /// Why the data is below another folder of a server: by the end of its address, or by a path.
    fn is_other_root(&self, one: &Setting, others: &[&str]) -> Option<String> {
        let name = &one.name;
        let folder = chroot(&one.text);
        let is_in_address = self.words.has_chroot(name) && others.iter().any(|other| chroot(other) != folder);
        let is_root = self.words.is_chroot(name) && !one.is_about_else(self.words);
        (is_in_address || (is_root && !others.is_empty() && bare_text(&one.text).starts_with('/')))
            .then(|| format!("its setting {name} names another folder of the server"))
    }

    /// Whether a key by which data is encrypted is another one, or goes. With one that comes nothing was encrypted.
    fn encrypts_otherwise(&self, one: &Setting, others: &[&str], other: &Told, comes: bool) -> bool {
        // It may come out of an object that is not read.
        let is_given = other.variables.contains(&one.name) || other.sources > 0;
        let is_other = !others.is_empty() || (!comes && !is_given);
        is_other && self.words.encrypts.iter().any(|word| one.is(word))
    }

    /// A number of a file that goes: the program takes one of its own in its place. What is decisive for known servers is listed.
    fn falls_back(&self, one: &Setting, [before, after]: [&Told; 2]) -> Option<(String, &'static str)> {
        let text = bare_text(&one.text);
        let is_number = text.parse::<f64>().is_ok();
        let is_aside = || {
            one.is_about_else(self.words)
                || self.words.is_tuning(&one.block, &one.name)
                || self.words.is_list_of_else(&one.block, &one.name)
        };
        let is_known = || DataServers::builtin().of_image(&after.image).is_some();
        // In another block it may be about something else that is there today, too.
        let count = |told: &Told| {
            let same = |other: &&Setting| other.name == one.name && bare_text(&other.text) == text;
            told.settings.iter().filter(same).count()
        };
        let is_elsewhere = || count(after) >= count(before);
        let is_gone = one.form == Form::Line && !one.is_item && !one.is_beside && after.texts(one).is_empty();
        (is_gone && is_number && !is_aside() && !is_elsewhere() && !is_known()).then(|| {
            (format!("its setting {} goes, and the program takes one of its own in its place", one.name), OF_TODAY)
        })
    }

    /// The place of the volume below a folder that a setting names on this side alone: below `/home/app` of `HOME` it is `/home/app/.store`.
    fn is_above_data<'a>(&self, one: &Setting, others: &[&str], other: &'a Told, comes: bool) -> Option<&'a str> {
        let own = parts(bare_text(&one.text));
        let is_from_root = bare_text(&one.text).starts_with('/') && !own.is_empty();
        let is_same = |text: &&str| parts(bare_text(text)) == own;
        // What comes with no other in its place is said where it leads.
        let is_other = !(others.iter().any(is_same) || comes && others.is_empty());
        let below = |mount: &&String| parts(mount).len() > own.len() && parts(mount).starts_with(&own);
        let is_path = is_from_root && is_other && one.form != Form::Line && !is_aside(&one.name);
        other.mounts.iter().filter(|_| is_path).find(below).map(String::as_str)
    }

    /// Why a setting that comes and says `memory` keeps data no longer than its program runs.
    fn is_in_memory(&self, one: &Setting, comes: bool) -> Option<String> {
        let text = bare_text(&one.text).to_lowercase();
        let is_memory = comes && self.words.memory.contains(&text);
        let is_of_data = || {
            DataWords::last_word(&one.name).is_some_and(|last| self.words.kinds.contains(&last))
                && !one.is_about_else(self.words)
                && !self.words.is_for_a_while(&one.block, &one.name)
        };
        (is_memory && !one.is_beside && is_of_data())
            .then(|| format!("its setting {} keeps data in memory", one.full_name()))
    }

    /// Why a setting that comes names a file with data that is not the one of today, which the program names by itself.
    fn names_new_file(&self, one: &Setting, others: &[&str], comes: bool) -> Option<String> {
        let text = bare_text(&one.text);
        let is_data = text
            .rsplit_once('.')
            .is_some_and(|(name, end)| !name.is_empty() && self.words.data_files.iter().any(|known| known == end));
        let is_new =
            comes && others.is_empty() && is_data && is_relative(text) && self.words.is_path(&one.block, &one.name);
        (is_new && !one.is_beside && !one.is_about_else(self.words))
            .then(|| format!("its setting {} names a file with data, and today none", one.full_name()))
    }

    /// Why less may be kept than on the other side, which has the texts `others`.
    fn keeps_less(&self, one: &Setting, others: &[&str], comes: bool) -> Option<(String, &'static str)> {
        let (block, name) = (&one.block, &one.name);
        let is_more = |other: &&str| {
            let (will, was) = if comes { (one.text.as_str(), *other) } else { (*other, one.text.as_str()) };
            is_at_least(will, was) == Some(true)
        };
        let is_else = self.words.keeps_else.iter().any(|word| one.is(word));
        let is_limit = || self.limits.iter().any(|word| is_named(name, word)) || self.words.limits_data(block, name);
        // What is beside the data has limits of its own.
        // A number alone says so where another one was.
        let is_number = || !others.is_empty() && is_amount(one, others) && self.words.keeps_by_number(block, name);
        let keeps = self.words.keeps_data(block, name)
            || (!one.is_beside && ((is_amount(one, others) && is_limit()) || is_number()));
        (keeps && !is_else && !others.iter().any(is_more)).then(|| {
            let reason = format!("its setting {name} changes, which says how long or how much data is kept");
            (reason, "give the chart the setting of today, or a longer one")
        })
    }
}

impl Judge<'_> {
    /// Of the blocks around a setting the one whose name decides about data, as `storage` does, with the kind that it has in it:
    /// `storage.raft` of `storage.raft.retry_join`.
    fn decisive<'a>(&self, block: &'a str) -> Option<&'a str> {
        let mut ends = block.match_indices('.').map(|(at, _)| at).chain([block.len()]);
        let mut start = 0;
        while let Some(end) = ends.next() {
            if end > start && self.decides.contains(&&block[start..end]) {
                return Some(&block[..ends.next()?]);
            }
            start = end + 1;
        }
        None
    }
}

/// Why the address of a database of files, or in memory, concerns the data. A file with a path from the root is compared as a place.
fn own_database(one: &Setting, others: &[&str], comes: bool) -> Option<String> {
    let its = OwnDatabase::of(&one.text)?;
    let is_place =
        |database: &OwnDatabase| database.file.trim_start_matches("//").starts_with('/') && !database.is_in_memory;
    let is_same = |other: &&&str| match OwnDatabase::of(other) {
        Some(other) => other == its || (other.kind == its.kind && is_place(&other) && is_place(&its)),
        None => false,
    };
    if others.iter().any(|other| is_same(&other)) {
        return None;
    }
    // What it goes to is said where that comes.
    let is_told = !comes && (!others.is_empty() || is_place(&its) || its.is_in_memory);
    let what = if its.is_in_memory { "in memory" } else { "of files" };
    (!is_told && (!others.is_empty() || its.is_in_memory || !is_place(&its))).then(|| {
        format!("its setting {} has the address of a database {what}, which is another one than today", one.name)
    })
}

/// Whether a setting has an amount on one side.
fn is_amount(one: &Setting, others: &[&str]) -> bool {
    let is_one = |text: &str| is_at_least(text, text).is_some();
    is_one(&one.text) || others.iter().any(|text| is_one(text))
}

/// Whether a text is a folder below another: a path from the root is compared as a place.
fn is_relative(text: &str) -> bool {
    let text = text.trim_end_matches([',', ';']).trim_matches(['"', '\'']);
    !text.is_empty() && !text.starts_with(['/', '$', '{', '[', '~']) && !text.contains("://") && !is_off(text)
}

/// The folder in an address without a scheme: `/kafka` in `zk:2181/kafka`.
fn chroot(text: &str) -> Option<&str> {
    let address = text.trim_matches(['"', '\'']);
    if address.contains("://") {
        return None;
    }
    address.find('/').filter(|at| address[..*at].contains(':')).map(|at| address[at..].trim_end_matches('/'))
}

/// Whether a new setting makes a program throw data away.
fn is_destructive(words: &DataWords, one: &Setting) -> bool {
    match one.form {
        Form::Argument => {
            one.name.starts_with('-')
                && (words.is_destructive(&one.name) || (one.text.is_empty() && words.is_order(&one.name)))
                && !matches!(one.text.as_str(), "false" | "0" | "no")
        }
        Form::Variable => words.throws_away(&one.name, &one.text),
        Form::Line => {
            !one.is_beside
                && one.text.parse::<f64>().is_err()
                && !one.is_about_else(words)
                && words.throws_away(&one.name, bare_text(&one.text))
        }
    }
}

#[cfg(test)]
mod tests;
