//! The name of a pod's host, under which some programs keep their data: RabbitMQ and others with Erlang's Mnesia name a folder after it.

use serde_json::Value;

use super::Report;
use super::uses::Workloads;

pub(super) fn check(workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        for pair in workloads.pairs(volume).0 {
            let (was, will) = (pair.before.template, pair.after.template);
            let is_other = |key: &str| plain(was.spec.get(key)) != plain(will.spec.get(key));
            // The pods of a StatefulSet have names of their own.
            let own = ["hostname", "subdomain"].into_iter().filter(|_| pair.after.name.kind() != "StatefulSet");
            let keys = ["hostNetwork", "setHostnameAsFQDN"].into_iter().chain(own);
            if let Some(key) = keys.into_iter().find(|key| is_other(key)) {
                let reason = "the name of its host changes, and a program may keep its data under it".to_owned();
                let way_out = "see whether it does; give the chart the host's name of today";
                report.unknown(volume, pair.after.name, &format!("{}/{key}", will.pointer), (reason, way_out));
            }
        }
    }
}

/// What is not said is false.
fn plain(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| **value != Value::Bool(false) && !value.is_null())
}
