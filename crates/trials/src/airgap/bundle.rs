//! Bundles of the fixture charts in the shapes in which a vendor hands them out, and the values that name the site's registry.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use portolan_helm_compat::chart::PackedChart;
use portolan_testkit::bundle::{BaseImage, ImageArchive, Tar, gzip};
use portolan_testkit::rig::Build;
use serde::Deserialize;
use serde_json::{Value, json};

/// The registry in the names that the vendor gives its images.
const VENDOR: &str = "vendor.example";

/// The helm in a bundle.
const HELM: &str = "3.22.0";

/// What a bundle looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Era {
    /// A plain archive: the chart, a script and one archive of images for each part, in `deploy/`.
    Deploy,
    /// A compressed one: the chart in `chart/`, a script, a helm program, and all images in one archive.
    Package,
}

/// What images are made of.
pub(crate) struct Bases {
    server: BaseImage,
    stub: BaseImage,
    once: BaseImage,
}

impl Bases {
    /// Those of the rig.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub(crate) fn of(build: &Build) -> Result<Self> {
        let busybox = fs_err::read(build.node().join("bin/busybox"))?;
        Ok(Self {
            server: BaseImage::read(&build.image("postgres"))?,
            stub: BaseImage::read(&build.image("stub"))?,
            once: BaseImage::program("busybox", &busybox, &["true"]),
        })
    }

    /// What an image runs: the database and its migrations need a server's programs, some containers have to end.
    fn of_image(&self, name: &str) -> &BaseImage {
        let ends = |word| name.contains(word);
        if ends("/postgres:") || ends("/db-migrate:") {
            &self.server
        } else if ["-prepare:", "-hook:", "-setup:", "/cleanup:", "/config-reloader:"].into_iter().any(ends) {
            &self.once
        } else {
            &self.stub
        }
    }
}

/// The values that make a chart name a registry, as the script in the vendor's bundle writes them.
#[must_use]
pub(crate) fn registry_values(chart: &PackedChart, registry: &str) -> Value {
    let image = |name: &str| format!("{registry}/runai/{name}:{}", tag(name, chart));
    let images = json!({ "postgres": image("postgres"), "migrate": image("db-migrate"), "stub": image("stub") });
    if chart.id.name == "control-plane" {
        json!({ "images": images, "global": { "image": { "registry": registry } } })
    } else {
        json!({ "images": images, "backend": { "privateRegistryAddress": registry } })
    }
}

/// The images of a chart under the vendor's names.
#[must_use]
pub(crate) fn images(chart: &PackedChart) -> BTreeSet<String> {
    let migrate = (chart.id.name == "control-plane").then_some("db-migrate");
    let names = NAMES.split_whitespace().chain(["postgres", "stub"]).chain(migrate);
    names.map(|name| format!("{VENDOR}/runai/{name}:{}", tag(name, chart))).collect()
}

/// The tag of an image of a chart; a database's begins with its version.
fn tag(name: &str, chart: &PackedChart) -> String {
    let version = &chart.id.version;
    if name == "postgres" { format!("15-{version}") } else { version.to_string() }
}

/// The images that the layer `air-gapped` names.
const NAMES: &str = "\
    identity-manager identity-provider-reconciler authorization audit-service email-service tenants-helper workloads \
    workloads-manager workloads-helper policy-service assets-service datavolumes metrics-service k8s-objects-tracker cluster-api \
    cluster-redis notifications-service notifications-proxy cli-exposer redoc external-workload-integrations org-unit-helper \
    status-page gateway identity-prepare workloads-prepare metrics-prepare access-prepare operator operator-proxy config-reloader \
    jupyter tensorboard vscode pre-upgrade-hook post-upgrade-hook cleanup node-agent node-setup";

/// A bundle with a chart and these images.
///
/// # Errors
/// Where the helm cannot be read.
pub(crate) fn make(
    era: Era,
    chart: &PackedChart,
    images: &BTreeSet<String>,
    bases: &Bases,
    build: &Build,
) -> Result<Vec<u8>> {
    let archive = format!("{}-{}.tgz", chart.id.name, chart.id.version);
    let script = b"#!/bin/sh\n";
    Ok(match era {
        Era::Deploy => {
            let mut tar = Tar::default()
                .program("deploy/prepare_installation.sh", script)
                .file(&format!("deploy/{archive}"), &chart.archive);
            let (server, others): (Vec<&String>, Vec<&String>) =
                images.iter().partition(|name| std::ptr::eq(bases.of_image(name), &bases.server));
            for (part, names) in [("database", server), ("platform", others)] {
                tar = tar.file(&format!("deploy/images/{part}.tar"), &saved(names, bases));
            }
            tar.end()
        }
        Era::Package => {
            let helm = fs_err::read(build.helm(HELM)?).context("the bundle's helm")?;
            let tar = Tar::default()
                .program("setup.sh", script)
                .program("helm", &helm)
                .file(&format!("chart/{archive}"), &chart.archive)
                .file("images.tar", &saved(images.iter().collect(), bases));
            gzip(&tar.end())
        }
    })
}

fn saved(names: Vec<&String>, bases: &Bases) -> Vec<u8> {
    let mut archive = ImageArchive::default();
    names.into_iter().for_each(|name| archive.add(name, bases.of_image(name)));
    archive.end()
}
