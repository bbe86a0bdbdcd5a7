//! A signal to a command that is not at a run: it ends at once, as it would without a handler, and leaves nothing.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, test_kill_process};

use crate::support::{User, send};

/// Seconds that everything here may take on a busy machine.
const LIMIT: u64 = 60;

/// A helm that says its version; for everything else it notes its process and never ends.
const HANGING: &str = r#"#!/bin/sh
if [ "$1" = version ]; then printf v3.22.0; exit; fi
echo $$ > "$NOTE.new" && /bin/mv "$NOTE.new" "$NOTE"
exec /bin/sleep 600
"#;

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(LIMIT), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal, and returns the one that the process ended with.
fn end(mut child: Child, signal: Signal) -> Option<i32> {
    send(&child, signal);
    until("its end", || child.try_wait().expect("a child")).signal()
}

#[test]
fn while_helm_renders_helm_and_its_folder_go_too() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let user = User::new();
        // Its environment is not ours: the path is written into it.
        user.write("helm", &HANGING.replace("$NOTE", user.path("note").to_str().expect("a path")));
        std::fs::set_permissions(user.path("helm"), PermissionsExt::from_mode(0o755)).expect("a program");
        std::fs::create_dir(user.path("tmp")).expect("a folder");
        let mut command = user.command("plan --sim openshift-2.8 --to 2.20 --repo http://127.0.0.1:9 --helm ./helm");
        let child = command.env("TMPDIR", user.path("tmp")).spawn().expect("the program starts");
        let helm: i32 =
            until("helm's process", || std::fs::read_to_string(user.path("note")).ok()?.trim().parse().ok());
        assert!(user.path("tmp").read_dir().expect("a folder").next().is_some(), "helm has no folder");
        assert_eq!(end(child, signal), Some(signal.as_raw()));
        let left: Vec<_> = user.path("tmp").read_dir().expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
        let helm = Pid::from_raw(helm).expect("a process");
        until("helm's end", || test_kill_process(helm).is_err().then_some(()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_waits_for_its_input_ends_too() {
    let user = User::new();
    let mut command = user.command("plan --sim openshift-2.8 --repo http://127.0.0.1:9 --username me --password-stdin");
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    let proc = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default();
    until("its handler", || {
        let caught =
            proc("status").lines().find_map(|line| line.strip_prefix("SigCgt:").map(str::trim).map(str::to_owned))?;
        let caught = u64::from_str_radix(&caught, 16).ok()?;
        (caught & 1 << (Signal::INT.as_raw() - 1) != 0).then_some(())
    });
    // System call 0 of x86-64, and 63 of arm64, is read; its first argument is the file.
    until("its read", || ["0 0x0 ", "63 0x0 "].iter().any(|read| proc("syscall").starts_with(read)).then_some(()));
    let input = child.stdin.take();
    assert_eq!(end(child, Signal::INT), Some(Signal::INT.as_raw()));
    drop(input);
}
