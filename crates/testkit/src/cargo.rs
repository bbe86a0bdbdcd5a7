use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Cargo in a folder, as it runs in a shell. What the cargo above says of its package is taken out of the environment: build scripts
/// such as ring's (0.17.14, `build.rs`) run again where that differs, and everything that needs them is compiled once more.
#[must_use]
pub fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_package(name)) {
        command.env_remove(name);
    }
    command.current_dir(folder);
    command
}

/// Whether cargo gives a variable to the programs of one package.
fn is_of_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_BIN_")
        || matches!(&*name, "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_this_package_is_not_handed_on() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo runs this test");
        let command = cargo(Path::new("/"));
        let removed: Vec<&OsStr> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(removed.contains(&OsStr::new("CARGO_MANIFEST_DIR")) && removed.contains(&OsStr::new("CARGO_PKG_NAME")));
        assert!(!is_of_package(OsStr::new("CARGO_HOME")) && !is_of_package(OsStr::new("CARGO_TARGET_DIR")));
    }
}
