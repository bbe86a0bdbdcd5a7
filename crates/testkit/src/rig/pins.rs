//! What the rig is made of, to the version, and the key under which a build of exactly that is kept.

use sha2::{Digest, Sha256};

/// Kubernetes: the control plane, the node's programs and kubectl. From 1.35 on the kubelet refuses cgroup v1.
pub const KUBERNETES: &str = "1.34.4";
/// The store behind the API server.
pub const ETCD: &str = "3.6.16";
/// The cluster's DNS.
pub const COREDNS: &str = "1.12.4";
/// The helm clients: an old Helm 3, the newest Helm 3 and the newest Helm 4.
pub const HELM: [&str; 3] = ["3.14.4", "3.22.0", "4.3.1"];
/// The registry that charts are pushed to and pulled from (`github.com/distribution/distribution`).
pub const REGISTRY: &str = "3.1.2";
/// The oldest Go that compiles all of the above.
pub const GO: (u32, u32) = (1, 26);
/// The Debian release whose packages supply the container runtime and the database.
pub const DEBIAN: &str = "bookworm";

/// Raised by hand when the way something is built or unpacked changes without any of the inputs changing.
const RECIPE: &str = "1";

/// The programs of the `k8s.io/kubernetes` module that the rig runs.
pub const KUBERNETES_PROGRAMS: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"];

/// Debian packages of the node: they run on the host's own C library, so none of them brings one.
pub const NODE_PACKAGES: &[&str] = &[
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
    "runc",
];

/// Debian packages of the PostgreSQL image: whole, with their C library, for they run in a container.
///
/// `libllvm14`, which only the just-in-time compiler wants, is left out: it is larger than all the rest together.
pub const POSTGRES_PACKAGES: &[&str] = &[
    "libaudit1",
    "libc6",
    "libcap-ng0",
    "libcap2",
    "libcom-err2",
    "libcrypt1",
    "libffi8",
    "libgcc-s1",
    "libgcrypt20",
    "libgmp10",
    "libgnutls30",
    "libgpg-error0",
    "libgssapi-krb5-2",
    "libhogweed6",
    "libicu72",
    "libidn2-0",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "libldap-2.5-0",
    "liblz4-1",
    "liblzma5",
    "libnettle8",
    "libp11-kit0",
    "libpam0g",
    "libpcre2-8-0",
    "libpq5",
    "libreadline8",
    "libsasl2-2",
    "libselinux1",
    "libssl3",
    "libstdc++6",
    "libsystemd0",
    "libtasn1-6",
    "libtinfo6",
    "libunistring2",
    "libuuid1",
    "libxml2",
    "libxslt1.1",
    "libzstd1",
    "postgresql-15",
    "postgresql-client-15",
    "tzdata",
    "zlib1g",
];

/// Debian packages of tools that pushes are compared with: skopeo, with its libraries, and a registry of an older major version.
pub const IMAGE_TOOL_PACKAGES: &[&str] =
    &["docker-registry", "libassuan0", "libdevmapper1.02.1", "libgpg-error0", "libgpgme11", "skopeo"];

/// Tools for images that are compiled.
pub const IMAGE_TOOLS: [&str; 2] =
    ["github.com/google/go-containerregistry/cmd/crane@v0.20.6", "oras.land/oras/cmd/oras@v1.2.3"];

/// The newest dyff of 2026-11-29, compiled when it is first asked for.
pub const DYFF: &str = "github.com/homeport/dyff/cmd/dyff@v1.12.0";

/// The files that pin the Go builds and the npm package, and the two small programs of our own, by their place under the build's folder.
pub const SOURCES: &[(&str, &str)] = &[
    ("etcd/go.mod", include_str!("../../rig/etcd/go.mod")),
    ("etcd/go.sum", include_str!("../../rig/etcd/go.sum")),
    ("kubernetes/go.mod", include_str!("../../rig/kubernetes/go.mod")),
    ("kubernetes/go.sum", include_str!("../../rig/kubernetes/go.sum")),
    ("images/go.mod", include_str!("../../rig/images/go.mod")),
    ("images/pause/main.go", include_str!("../../rig/images/pause/main.go")),
    ("images/stub/main.go", include_str!("../../rig/images/stub/main.go")),
    ("images/postgres.sh", POSTGRES_ENTRYPOINT),
    ("postgres-16/package.json", include_str!("../../rig/postgres-16/package.json")),
    ("postgres-16/package-lock.json", include_str!("../../rig/postgres-16/package-lock.json")),
];

/// What the PostgreSQL image starts.
pub const POSTGRES_ENTRYPOINT: &str = include_str!("../../rig/images/postgres.sh");

/// The key of a build: a digest of all that goes into it, the processor's architecture included.
#[must_use]
pub fn key() -> String {
    let versions = [RECIPE, std::env::consts::ARCH, KUBERNETES, ETCD, COREDNS, REGISTRY, DEBIAN];
    let programs = HELM.iter().chain(&KUBERNETES_PROGRAMS).chain(NODE_PACKAGES).chain(POSTGRES_PACKAGES);
    let sources = SOURCES.iter().flat_map(|(path, text)| [path, text]);
    key_of(versions.iter().chain(programs).chain(sources))
}

/// The key of the tools beside the rig.
pub(crate) fn tools_key() -> String {
    key_of([RECIPE, std::env::consts::ARCH, DEBIAN].iter().chain(IMAGE_TOOL_PACKAGES).chain(&IMAGE_TOOLS))
}

/// The key of a compiled program beside the rig.
pub(crate) fn program_key(program: &str) -> String {
    key_of([RECIPE, std::env::consts::ARCH, program].iter())
}

fn key_of<'a>(parts: impl Iterator<Item = &'a &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // The length keeps "ab" + "c" apart from "a" + "bc".
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex::encode(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_short_plain_and_the_same_every_time() {
        assert_eq!(key(), key());
        assert_eq!(key().len(), 16);
        assert!(key().bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn the_go_modules_name_the_pinned_versions() {
        let text = |path| SOURCES.iter().find(|(p, _)| *p == path).map(|(_, text)| *text).unwrap();
        assert!(text("kubernetes/go.mod").contains(&format!("k8s.io/kubernetes v{KUBERNETES} ")));
        assert!(text("etcd/go.mod").contains(&format!("go.etcd.io/etcd/server/v3 v{ETCD} ")));
        // Without the sums a build with -mod=readonly is refused.
        assert!(text("kubernetes/go.sum").contains(&format!("k8s.io/kubernetes v{KUBERNETES} h1:")));
        assert!(text("etcd/go.sum").contains(&format!("go.etcd.io/etcd/server/v3 v{ETCD} h1:")));
    }

    #[test]
    fn no_package_is_named_twice() {
        for list in [NODE_PACKAGES, POSTGRES_PACKAGES, IMAGE_TOOL_PACKAGES] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once: {list:?}");
        }
    }
}
