//! The images of the rig: a pod's pause, two major versions of PostgreSQL and a stand-in for everything else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use fs_err as fs;

use super::cache::{Build, LOADER, TRIPLE, library_dirs};
use super::image::{Image, Layer};
use super::pins;
use super::state::{NodeImages, output};

/// What every pod's namespaces are held open by.
pub(crate) const PAUSE: &str = "rig.local/pause:1";
/// A real PostgreSQL 15 with psql, pg_dump and a shell.
pub const POSTGRES: &str = "rig.local/postgres:15";
/// PostgreSQL 16, used in the same way; its psql is that of 15, and it has no `pg_dump`.
pub const POSTGRES_16: &str = "rig.local/postgres:16";
/// Answers 200 on `$PORT` (8080) and ends when told to.
pub const STUB: &str = "rig.local/stub:1";

/// The archives' names, in the order in which they are loaded.
pub(crate) fn archives(images: NodeImages) -> &'static [&'static str] {
    match images {
        NodeImages::All => &["pause", "stub", "postgres", "postgres-16"],
        NodeImages::PauseOnly => &["pause"],
    }
}

/// The numeric user of the PostgreSQL image, the one that the charts in common use expect.
pub(crate) const POSTGRES_USER: u32 = 1001;

/// The shell's commands that the image offers by name.
const COMMANDS: &str = "sh cat chmod chown cp cut date df du echo env false find grep gzip gunzip head hostname id kill ln ls \
    mkdir mktemp mv nc ps pwd rm rmdir sed sleep sort stat su sync tail tar tee test touch tr true uname vi wc wget xargs";

/// Writes all archives into `to`; `programs` holds our own two.
pub(crate) fn write_all(build: &Build, programs: &Path, to: &Path) -> Result<()> {
    for (name, image) in [("pause", PAUSE), ("stub", STUB)] {
        let mut layer = Layer::new();
        layer.file(name, 0o755, programs.join(name)).folder("tmp", 0o1777);
        let image = Image { name: image.into(), entrypoint: vec![format!("/{name}")], ..Image::default() };
        image.write(&layer, &to.join(format!("{name}.tar")))?;
    }
    for (name, archive, layer) in
        [(POSTGRES, "postgres", postgres(build)?), (POSTGRES_16, "postgres-16", postgres_16(build)?)]
    {
        let image = Image {
            name: name.into(),
            entrypoint: vec!["/usr/local/bin/postgres.sh".into()],
            env: vec![
                "PATH=/usr/lib/postgresql/16/bin:/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin".into(),
                "PGDATA=/pgdata/data".into(),
                "PGHOST=/tmp".into(),
                "PGUSER=postgres".into(),
            ],
            user: POSTGRES_USER.to_string(),
            // A fast shutdown: with SIGTERM the server waits for its clients to go.
            stop_signal: "SIGINT".into(),
        };
        image.write(&layer, &to.join(format!("{archive}.tar")))?;
    }
    Ok(())
}

/// Debian's server and client, whole.
fn postgres(build: &Build) -> Result<Layer> {
    let tree = build.postgres();
    let mut layer = shell(build)?;
    for dir in ["usr/lib/postgresql/15/bin", "usr/share/postgresql/15"] {
        layer.tree(dir, &tree.join(dir))?;
    }
    let modules = "usr/lib/postgresql/15/lib";
    let mut binaries = files(&tree.join("usr/lib/postgresql/15/bin"))?;
    for module in files(&tree.join(modules))? {
        let name = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".so") && !name.starts_with("llvmjit") {
            layer.file(&format!("{modules}/{name}"), 0o644, &module);
            binaries.push(module);
        }
    }
    load(&mut layer, build, &binaries)?;
    Ok(layer)
}

/// The server of npm's package with the libraries that it brings, and Debian's client.
fn postgres_16(build: &Build) -> Result<Layer> {
    let own = build.postgres_16();
    let mut layer = shell(build)?;
    for dir in ["bin", "share"] {
        layer.tree(&format!("usr/lib/postgresql/16/{dir}"), &own.join(dir))?;
    }
    let mut binaries = files(&own.join("bin"))?;
    for module in files(&own.join("lib/postgresql"))? {
        let name = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // These want languages that the package does not bring.
        if name.ends_with(".so") && !["perl", "python", "tcl"].iter().any(|language| name.contains(language)) {
            layer.file(&format!("usr/lib/postgresql/16/lib/postgresql/{name}"), 0o644, &module);
            binaries.push(module);
        }
    }
    for library in files(&own.join("lib"))? {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = format!("usr/lib/postgresql/16/lib/{name}");
        if library.is_symlink() {
            layer.link(&path, &fs::read_link(&library)?.to_string_lossy());
        } else if name.contains(".so") {
            layer.file(&path, 0o644, &library);
        }
    }
    let client = build.postgres().join("usr/lib/postgresql/15/bin/psql");
    layer.file("usr/lib/postgresql/15/bin/psql", 0o755, &client);
    binaries.push(client);
    load(&mut layer, build, &binaries)?;
    Ok(layer)
}

/// What both images have: a shell, the entrypoint, the server's user, the C library's loader.
fn shell(build: &Build) -> Result<Layer> {
    let tree = build.postgres();
    let mut layer = Layer::new();
    layer.folder("tmp", 0o1777).folder("pgdata", 0o777).link("lib", "usr/lib");
    layer.link("bin", "usr/bin").file("usr/bin/busybox", 0o755, build.node().join("bin/busybox"));
    for command in COMMANDS.split_whitespace() {
        layer.link(&format!("usr/bin/{command}"), "busybox");
    }
    // initdb asks for the locales there are; the C library has these two built in.
    layer.bytes("usr/bin/locale", 0o755, *b"#!/bin/sh\necho C\necho POSIX\n");
    layer.bytes("usr/local/bin/postgres.sh", 0o755, pins::POSTGRES_ENTRYPOINT);
    let user = POSTGRES_USER;
    // Writable, as the entrypoint adds the user it was started with if that is another one.
    layer.bytes("etc/passwd", 0o666, format!("root:x:0:0::/:/bin/sh\npostgres:x:{user}:{user}::/pgdata:/bin/sh\n"));
    layer.bytes("etc/group", 0o644, format!("root:x:0:\npostgres:x:{user}:\n"));
    for zone in ["UTC", "GMT", "Etc"] {
        let (path, source) = (format!("usr/share/zoneinfo/{zone}"), tree.join("usr/share/zoneinfo").join(zone));
        if source.is_dir() {
            layer.tree(&path, &source)?
        } else {
            layer.file(&path, 0o644, source)
        };
    }
    // On this architecture the loader has a folder of its own, which here is merged as all of Debian's are.
    let loader = fs::read(tree.join(LOADER))?;
    match LOADER.split_once('/') {
        Some(("lib64", name)) => layer.link("lib64", "usr/lib64").bytes(&format!("usr/lib64/{name}"), 0o755, loader),
        _ => layer.bytes(&format!("usr/{LOADER}"), 0o755, loader),
    };
    Ok(layer)
}

/// Adds the shared libraries of Debian's that these programs load.
fn load(layer: &mut Layer, build: &Build, binaries: &[PathBuf]) -> Result<()> {
    for library in libraries(build, binaries)? {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        layer.file(&format!("usr/lib/{TRIPLE}/{name}"), 0o755, &library);
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// The shared libraries that these programs load, as their own loader finds them in the unpacked tree. What a program
/// brings beside itself is not among them.
fn libraries(build: &Build, binaries: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let (tree, own) = (build.postgres(), build.postgres_16());
    let mut all = BTreeSet::new();
    for binary in binaries {
        let listed = output(
            Command::new(tree.join(LOADER))
                .arg("--library-path")
                .arg(library_dirs(&tree).join(":"))
                .arg("--list")
                .arg(binary),
        )?;
        for line in String::from_utf8_lossy(&listed).lines() {
            let Some((name, found)) = line.split_once("=>") else {
                continue;
            };
            let found = found.split_whitespace().next().unwrap_or_default();
            let path = PathBuf::from(found);
            if path.starts_with(&own) {
                continue;
            }
            if !path.starts_with(&tree) {
                bail!("{} needs {}, which none of the image's packages has", binary.display(), name.trim());
            }
            if !path.ends_with(LOADER) {
                all.insert(path);
            }
        }
    }
    Ok(all)
}
