//! Addresses of databases that a program keeps in files or in memory, without a server.

/// A database of files or in memory, as its address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDatabase {
    /// The program that it is of: `h2`, `sqlite`.
    pub kind: &'static str,
    /// Whether it goes with its program.
    pub is_in_memory: bool,
    /// The file, without options.
    pub file: String,
}

impl OwnDatabase {
    /// That of an address: `jdbc:h2:file:./data`, `sqlite://app.db?mode=rwc`, `:memory:`. `None` for a server's.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        const KINDS: [(&str, &str); 12] = [
            ("jdbc:h2:", "h2"),
            ("jdbc:hsqldb:", "hsqldb"),
            ("jdbc:derby:", "derby"),
            ("jdbc:sqlite:", "sqlite"),
            ("jdbc:duckdb:", "duckdb"),
            ("sqlite3:", "sqlite"),
            ("sqlite+aiosqlite:", "sqlite"),
            ("sqlite:", "sqlite"),
            ("duckdb:", "duckdb"),
            ("file:", "file"),
            ("h2:", "h2"),
            (":memory:", "sqlite"),
        ];
        let address = address.trim().trim_end_matches([',', ';']).trim_matches(['"', '\'']);
        let lower = address.to_lowercase();
        let (start, kind) = KINDS.iter().find(|(start, _)| lower.starts_with(start))?;
        let is_in_memory = [":mem:", "memory:", "mode=memory"].iter().any(|word| lower.contains(word))
            || matches!(&lower[start.len()..], "" | "//");
        // A server of H2 or Derby is one like any other.
        if ["tcp:", "ssl:", "hsql:"].iter().any(|word| lower[start.len()..].starts_with(word)) {
            return None;
        }
        let file = address[start.len()..].split([';', '?']).next().unwrap_or_default();
        let file = ["file:", "nio:", "res:"].iter().find_map(|word| file.strip_prefix(word)).unwrap_or(file);
        Some(Self { kind, is_in_memory, file: file.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_files_is_told_by_its_address() {
        for (address, kind, is_in_memory, file) in [
            ("jdbc:h2:mem:app;MODE=MySQL", "h2", true, "mem:app"),
            ("jdbc:h2:file:./data/app", "h2", false, "./data/app"),
            ("jdbc:h2:/data/app", "h2", false, "/data/app"),
            ("sqlite://app.db?mode=rwc", "sqlite", false, "//app.db"),
            ("sqlite://", "sqlite", true, "//"),
            (":memory:", "sqlite", true, ""),
            ("file:app.db?mode=memory", "file", true, "app.db"),
            ("jdbc:derby:memory:app", "derby", true, "memory:app"),
            ("jdbc:hsqldb:mem:.", "hsqldb", true, "mem:."),
        ] {
            let found = OwnDatabase::of(address);
            assert_eq!(found, Some(OwnDatabase { kind, is_in_memory, file: file.into() }), "{address}");
        }
        for address in ["postgres://db/app", "jdbc:h2:tcp://db/app", "jdbc:postgresql://db/app", "app.db", "/data/app"]
        {
            assert_eq!(OwnDatabase::of(address), None, "{address}");
        }
    }
}
