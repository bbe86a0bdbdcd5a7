//! Words by which any program is told what to do with its data, as data in `recipes/programs.yaml`.

mod kept;
mod thrown_away;

use std::sync::OnceLock;

use serde::Deserialize;

use crate::builtin;

static TEXT: &str = include_str!("../../../recipes/programs.yaml");

/// The words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataWords {
    format: u32,
    /// The last words of the names of settings that say which data is used.
    pub uses: Vec<String>,
    /// The last words of the names of settings by which data belongs to a node, a cluster or a tenant.
    pub identifies: Vec<String>,
    folders: Vec<String>,
    folders_else: Vec<String>,
    chroots: Vec<String>,
    chroot_paths: Vec<String>,
    keeps_on: Vec<String>,
    /// The names of blocks of files that say how data is laid out.
    pub layouts: Vec<String>,
    /// The last words of the names of settings with the address of a database.
    pub addresses: Vec<String>,
    /// The last words of the names of settings that only look as if they said how long data is kept.
    pub keeps_else: Vec<String>,
    keeps: Vec<String>,
    keeps_beside: Vec<String>,
    kept: Vec<String>,
    kept_else: Vec<String>,
    limits: Vec<String>,
    limited: Vec<String>,
    limited_else: Vec<String>,
    removes: Vec<String>,
    removes_after: Vec<String>,
    paths: Vec<String>,
    lists_else: Vec<String>,
    blocks_of_data: Vec<String>,
    throws: Vec<String>,
    throws_beside: Vec<String>,
    clears: Vec<String>,
    makes: Vec<String>,
    forces: Vec<String>,
    data: Vec<String>,
    moments: Vec<String>,
    fillers: Vec<String>,
    beside: Vec<String>,
    hosts: Vec<String>,
    stores: Vec<String>,
    members: Vec<String>,
    stores_beside: Vec<String>,
    named_hosts: Vec<String>,
    own_hosts: Vec<String>,
    logins: Vec<String>,
    no_names: Vec<String>,
    kept_by_number: Vec<String>,
    kept_by_number_else: Vec<String>,
    tuned: Vec<String>,
    listens: Vec<String>,
    features: Vec<String>,
    /// The last words of the names of settings with a key that data is encrypted with.
    pub encrypts: Vec<String>,
    /// Texts that say that data is in memory alone.
    pub memory: Vec<String>,
    /// The last words of the names of settings that say of which kind a store is.
    pub kinds: Vec<String>,
    /// How the names of files end that have data.
    pub data_files: Vec<String>,
    stops: Vec<String>,
    stops_else: Vec<String>,
    commands: Vec<String>,
}

impl DataWords {
    /// Those that Portolan brings along.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static KNOWN: OnceLock<DataWords> = OnceLock::new();
        KNOWN.get_or_init(|| builtin::read("recipes/programs.yaml", TEXT, |known: &Self| known.format))
    }

    /// Whether a block of this name has switches of features: `FEATURE_FLAGS`.
    #[must_use]
    pub fn is_of_features(&self, name: &str) -> bool {
        self.features.contains(&words(name).join("-"))
    }

    /// Whether a setting of this name says where data is, in a file or a folder: `DB_PATH`, or a flag of one letter.
    #[must_use]
    pub fn is_path(&self, block: &str, name: &str) -> bool {
        let is_letter = name.len() == 2 && name.starts_with('-');
        let is_last = |list: &[String]| words(name).last().is_some_and(|last| list.contains(last));
        is_letter
            || ((is_last(&self.paths) || is_last(&self.folders))
                && ![words(block), words(name)].iter().flatten().any(|word| self.folders_else.contains(word)))
    }

    /// Whether a list of this name is one of things that say nothing of data: plugins, scopes.
    #[must_use]
    pub fn is_list_of_else(&self, block: &str, name: &str) -> bool {
        [words(block), words(name)].iter().flatten().any(|word| self.lists_else.contains(word))
    }

    /// Whether a setting of this name, in this block of a file, says in which folder data is: `dataDir`, `STORE_DIRECTORY`, `dir`.
    #[must_use]
    pub fn is_folder(&self, block: &str, name: &str) -> bool {
        words(name).last().is_some_and(|last| self.folders.contains(last))
            && ![words(block), words(name)].iter().flatten().any(|word| self.folders_else.contains(word))
    }

    /// Whether an address in a setting of this name may end in a folder of that server.
    #[must_use]
    pub fn has_chroot(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.chroots.iter().any(|word| name.contains(word))
    }

    /// Whether a path in a setting of this name is a folder of another server, below which the data is: `zkLedgersRootPath`.
    #[must_use]
    pub fn is_chroot(&self, name: &str) -> bool {
        let own = words(name);
        let is_of_server = own.iter().any(|word| word == "zk" || self.chroots.contains(word));
        is_of_server && own.last().is_some_and(|last| self.chroot_paths.contains(last))
    }

    /// Whether a setting of this name says on which addresses a program takes connections.
    #[must_use]
    pub fn listens(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.listens.contains(word))
    }

    /// Whether an address, which may have a port, is one of the pod itself.
    #[must_use]
    pub fn is_own_pod(&self, host: &str) -> bool {
        let host = host.rsplit_once("://").map_or(host, |(_, rest)| rest);
        let is_port = |port: &str| port.is_empty() || port.starts_with(':');
        ["localhost", "127.0.0.1", "[::1]", "::1"].iter().any(|own| host.strip_prefix(own).is_some_and(is_port))
    }

    /// Whether a setting of this name, in this block of a file, is about something beside the data: `LOG_LEVEL`, `TZ`.
    #[must_use]
    pub fn is_beside(&self, block: &str, name: &str) -> bool {
        let block = words(block);
        // What is stored there are traces, or metrics, themselves.
        let is_store = block.iter().any(|word| self.blocks_of_data.contains(word));
        let is_known = |word: &String| self.beside.contains(word);
        words(name).iter().any(is_known) || (!is_store && block.iter().any(is_known))
    }

    /// Whether a setting of this name is about what programs keep for a while only: caches, sessions.
    #[must_use]
    pub fn is_for_a_while(&self, block: &str, name: &str) -> bool {
        [words(block), words(name)].iter().flatten().any(|word| self.kept_else.contains(word))
    }

    /// Whether a setting of this name says on which host something is: that is compared as an address.
    #[must_use]
    pub fn is_of_host(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.hosts.contains(word))
    }

    /// Whether what a setting of this name says is a host or an address: `API_HOST`, `DOMAIN_NAME`; not `SERVER_MODE`.
    #[must_use]
    pub fn is_place(&self, name: &str) -> bool {
        let own = without_numbers(name);
        match own.as_slice() {
            [.., named, last] if last == "name" => matches!(named.as_str(), "host" | "domain"),
            [.., last] => self.hosts.contains(last) || self.named_hosts.contains(last),
            [] => false,
        }
    }

    /// Whether a setting of this name, or a scheme, is about a store of data: `REDIS_HOST`, `postgres`.
    #[must_use]
    pub fn is_of_store(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.stores.contains(word))
    }

    /// Whether a setting of this name, in this block of a file, says with which servers a program shares its data, or on which one the
    /// rest of its data is: `--join`, `ZK_HOST`, `DB_HOST`. What has the name of the program's own image is about itself: `MINIO_SERVER_URL`.
    #[must_use]
    pub fn is_of_servers(&self, image: &str, block: &str, name: &str) -> bool {
        let blocks = words(block.rsplitn(3, '.').take(2).collect::<Vec<_>>().join(".").as_str());
        let near = [blocks, words(name)].concat();
        let is_of_rest = |word: &String| self.stores_beside.contains(word) && !image.contains(word.as_str());
        near.iter().any(|word| self.members.contains(word) || is_of_rest(word))
            && !near.iter().any(|word| self.own_hosts.contains(word))
    }

    /// Whether an address with this scheme is one of a store that has the rest of a program's data: `jdbc:postgresql`.
    #[must_use]
    pub fn is_scheme_of_store(&self, scheme: &str) -> bool {
        words(scheme).iter().any(|word| self.stores_beside.contains(word))
    }

    /// Whether a word alone is a host in a setting of this name: `DB_HOST`, not `DB_TYPE`.
    #[must_use]
    pub fn names_host(&self, name: &str) -> bool {
        let own = without_numbers(name);
        let is_named = own.last().is_some_and(|last| self.named_hosts.contains(last));
        is_named || own.ends_with(&["service".to_owned(), "name".to_owned()])
    }

    /// Whether a setting of this name is about how people log in.
    #[must_use]
    pub fn is_of_login(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.logins.contains(word))
    }

    /// Whether a text may be the name of something: no path from the root, no number or amount, no switch.
    #[must_use]
    pub fn may_be_name(&self, text: &str) -> bool {
        let is_of = |c: char| c.is_alphanumeric() || "_-.:/@+?=&%".contains(c);
        text.len() > 1
            && text.starts_with(|c: char| c.is_alphabetic() || c == '.')
            && text.chars().all(is_of)
            && !is_off(text)
            && !self.no_names.contains(&text.to_lowercase())
    }

    /// Whether a name has a word for data.
    #[must_use]
    pub fn is_about_data(&self, name: &str) -> bool {
        words(name).iter().any(|word| self.data.contains(word) && word != "all" && word != "force")
    }

    /// Whether a variable of this name may be about data: by any of these words, whatever its text.
    #[must_use]
    pub fn is_named_for_data(&self, name: &str) -> bool {
        let own = words(name);
        let ends = |known: &String| own.ends_with(&words(known));
        // Written as one word, as in `PGDATA`.
        let has = |word: &&str| own.iter().any(|one| one.contains(word));
        self.uses.iter().chain(&self.identifies).chain(&self.addresses).any(ends)
            || self.is_path("", name)
            || ["data", "home", "dir"].iter().any(&has)
            || self.is_about_data(name)
            || self.is_of_store(name)
            || self.bounds_data("", name)
    }

    /// Whether a setting of this name, whose text is a path, says where data is, and not where a program's own files are.
    #[must_use]
    pub fn is_place_of_data(&self, name: &str) -> bool {
        self.is_named_for_data(name) && !words(name).iter().any(|word| self.folders_else.contains(word))
    }

    /// A name with a line between its words, in small letters: `cluster_name` of `clusterName`.
    #[must_use]
    pub fn spaced(name: &str) -> String {
        words(name).join("_")
    }

    /// The last word of a name, in small letters.
    #[must_use]
    pub fn last_word(name: &str) -> Option<String> {
        words(name).pop()
    }
}

/// Whether a setting's text switches it off.
#[must_use]
pub fn is_off(text: &str) -> bool {
    matches!(
        text.trim().to_lowercase().as_str(),
        "" | "false" | "0" | "no" | "off" | "none" | "null" | "never" | "disabled"
    )
}

/// The words of a setting's name and of the innermost block around it.
fn near(block: &str, name: &str) -> Vec<String> {
    [words(block.rsplit('.').next().unwrap_or_default()), words(name)].concat()
}

/// The words of a name without the numbers at its end: those of `nodes.1` are `nodes`.
fn without_numbers(name: &str) -> Vec<String> {
    let mut all = words(name);
    while all.last().is_some_and(|last| last.parse::<u32>().is_ok()) {
        all.pop();
    }
    all
}

/// The words of a name, in small letters: `--drop-all`, `DROP_ALL`, `dropAll`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let is_mixed = name.chars().any(|c| c.is_ascii_lowercase());
    let mut all: Vec<String> = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (is_mixed && was_small && c.is_ascii_uppercase()) {
            all.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), all.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        was_small = c.is_ascii_lowercase();
    }
    all.retain(|word| !word.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_settings_say_which_servers_have_the_data() {
        let known = DataWords::builtin();
        for (block, name) in [
            ("", "-mserver"),
            ("", "--tserver_master_addrs"),
            ("", "CASSANDRA_SEEDS"),
            ("", "ZK_HOST"),
            ("cluster", "join_members"),
            ("etcd", "endpoints"),
            ("", "DATABASE_HOST"),
            ("", "fs.defaultFS"),
            ("database.args", "host"),
        ] {
            assert!(known.is_of_servers("store", block, name), "{block} {name}");
        }
        for name in ["LOG_LEVEL", "KAFKA_ADVERTISED_LISTENERS", "SMTP_HOST", "REDIS_HOST", "cluster.my-address"] {
            assert!(!known.is_of_servers("store", "", name), "{name}");
        }
        assert!(!known.is_of_servers("loki", "memberlist", "join_members"));
        assert!(!known.is_of_servers("minio", "", "MINIO_SERVER_URL"));
        assert!(known.names_host("service-name") && known.names_host("DB_HOST") && !known.names_host("DB_TYPE"));
        assert!(known.names_host("discovery.nodes.1"));
        assert!(known.is_place("API_HOST") && known.is_place("DOMAIN_NAME") && !known.is_place("SERVER_MODE"));
        assert!(known.listens("net.bindIp") && known.listens("listen_addresses") && !known.listens("BINDINGS"));
        assert!(known.is_own_pod("127.0.0.1:80") && known.is_own_pod("::1") && !known.is_own_pod("localhost.a"));
        assert!(known.is_scheme_of_store("jdbc:postgresql") && !known.is_scheme_of_store("https"));
        assert!(known.is_chroot("zkLedgersRootPath") && known.is_chroot("zookeeper.znode.parent"));
        assert!(!known.is_chroot("ZOOKEEPER_DATA_DIR") && !known.is_chroot("rootPath"));
    }

    #[test]
    fn names_of_settings_say_that_they_are_paths() {
        let known = DataWords::builtin();
        assert!(known.is_path("", "--path") && known.is_path("", "-d") && !known.is_path("", "LOG_FILE"));
    }
}
