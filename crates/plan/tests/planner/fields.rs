//! Fields of a pod with data, one by one: those that cannot harm stay Safe, and what is on no list is Unknown.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

const POD: &str = "/spec/template/spec";

/// What is said where fields of the pod and of its container change.
fn changed(old: (&str, &str), new: (&str, &str)) -> Vec<String> {
    let pod = |(pod, own): (&str, &str)| set(pod, &PLAIN.replace("name: store,", &format!("name: store, {own}")));
    said(&plan(&installed(&pod(old), &json!({"csi": {}})), &pod(new)))
}

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 StatefulSet/store {POD}{field}")]
}

#[test]
fn fields_of_a_pod_that_say_nothing_of_its_data_may_come_and_go() {
    for field in [
        "affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: store}}}}]}}, ",
        "automountServiceAccountToken: false, ",
        "dnsConfig: {options: [{name: ndots, value: '2'}]}, ",
        "dnsPolicy: ClusterFirst, ",
        "enableServiceLinks: true, ",
        "hostPID: false, ",
        "shareProcessNamespace: true, ",
        "imagePullSecrets: [{name: regcred}], ",
        "preemptionPolicy: Never, ",
        "priorityClassName: system-node-critical, ",
        "readinessGates: [], ",
        "resources: {limits: {memory: 1Gi}}, ",
        "schedulingGates: [], ",
        "securityContext: {fsGroupChangePolicy: OnRootMismatch}, ",
        "securityContext: {seccompProfile: {type: RuntimeDefault}}, ",
        "securityContext: {supplementalGroupsPolicy: Merge}, ",
        "securityContext: {sysctls: [{name: net.core.somaxconn, value: '1024'}]}, ",
        "setHostnameAsFQDN: false, ",
        "terminationGracePeriodSeconds: 120, ",
        "terminationGracePeriodSeconds: 5, ",
        "tolerations: [{key: a, operator: Exists}], ",
        "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}], ",
    ] {
        assert_eq!(changed(("", ""), (field, "")), [""; 0], "{field} comes");
        assert_eq!(changed((field, ""), ("", "")), [""; 0], "{field} goes");
    }
}

#[test]
fn fields_of_a_pod_on_no_list_are_unknown() {
    for (field, pointer) in [
        ("dnsConfig: {nameservers: [10.0.0.10]}, ", "/dnsConfig/nameservers"),
        ("dnsConfig: {searches: [other.svc.cluster.local]}, ", "/dnsConfig/searches"),
        ("dnsPolicy: Default, ", "/dnsPolicy"),
        ("hostIPC: true, ", "/hostIPC"),
        ("runtimeClassName: kata, ", "/runtimeClassName"),
        ("securityContext: {supplementalGroupsPolicy: Strict}, ", "/securityContext/supplementalGroupsPolicy"),
        ("fieldOfALaterVersion: {a: b}, ", "/fieldOfALaterVersion/a"),
    ] {
        let said = changed(("", ""), (field, ""));
        assert!(said.contains(&unknown(pointer)[0]), "{field} comes: {said:?}");
        let said = changed((field, ""), ("", ""));
        assert!(said.contains(&unknown(pointer)[0]), "{field} goes: {said:?}");
        assert_eq!(changed((field, ""), (field, "")), [""; 0], "{field} stays");
    }
}

#[test]
fn fields_of_a_container_that_say_nothing_of_its_data_may_come_and_go() {
    for field in [
        "imagePullPolicy: Always, ",
        "lifecycle: {preStop: {sleep: {seconds: 5}}}, ",
        "lifecycle: {preStop: {exec: {command: [sh, -c, 'sleep 5']}}}, ",
        "livenessProbe: {httpGet: {path: /live, port: 80}}, ",
        "readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 5}, ",
        "startupProbe: {grpc: {port: 80}, failureThreshold: 30}, ",
        "ports: [{name: metrics, containerPort: 9100}], ",
        "resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}], ",
        "resources: {requests: {cpu: 1}}, ",
        "securityContext: {allowPrivilegeEscalation: false}, ",
        "securityContext: {procMount: Default}, ",
        "stdin: true, ",
        "terminationMessagePath: /dev/message, ",
        "terminationMessagePolicy: FallbackToLogsOnError, ",
        "tty: true, ",
    ] {
        assert_eq!(changed(("", ""), ("", field)), [""; 0], "{field} comes");
        assert_eq!(changed(("", field), ("", "")), [""; 0], "{field} goes");
    }
}

#[test]
fn fields_of_a_container_on_no_list_are_unknown() {
    let own = "/containers/0";
    for (field, pointer) in [
        ("lifecycle: {preStop: {httpGet: {path: /shutdown, port: 80}}}, ", "/lifecycle/preStop/httpGet/path"),
        ("lifecycle: {postStart: {httpGet: {path: /init, port: 80}}}, ", "/lifecycle/postStart/httpGet/path"),
        ("lifecycle: {stopSignal: SIGKILL}, ", "/lifecycle/stopSignal"),
        ("securityContext: {procMount: Unmasked}, ", "/securityContext/procMount"),
        ("fieldOfALaterVersion: a, ", "/fieldOfALaterVersion"),
    ] {
        for (old, new, how) in [("", field, "comes"), (field, "", "goes")] {
            let said = changed(("", old), ("", new));
            assert!(said.contains(&unknown(&format!("{own}{pointer}"))[0]), "{field} {how}: {said:?}");
        }
        assert_eq!(changed(("", field), ("", field)), [""; 0], "{field} stays");
    }
    let message = "terminationMessagePath: /data/db, ";
    assert_eq!(changed(("", ""), ("", message)), unknown("/containers/0/terminationMessagePath"));
    let mount = |more: &str| {
        let container = PLAIN.replace("mountPath: /data", &format!("mountPath: /data{more}"));
        set("", &container)
    };
    let of = |old: &str, new: &str| said(&plan(&installed(&mount(old), &json!({"csi": {}})), &mount(new)));
    let found = unknown("/containers/0/volumeMounts/mountPropagation");
    assert_eq!(of(", mountPropagation: HostToContainer", ""), found);
    assert_eq!(of("", ", mountPropagation: None"), [""; 0]);
}

#[test]
fn a_program_that_writes_when_it_ends_keeps_its_time() {
    let grace = |seconds: u32| format!("terminationGracePeriodSeconds: {seconds}, ");
    let found = unknown("/terminationGracePeriodSeconds");
    assert_eq!(changed((&grace(30), ""), (&grace(0), "")), found, "two pods may write at once");
    assert_eq!(changed(("", ""), (&grace(0), "")), found);
    assert_eq!(changed((&grace(0), ""), (&grace(0), "")), [""; 0]);
    let of = |image: &str, old: &str, new: &str| {
        let pod = |pod: &str| set(pod, &PLAIN.replace("x/store:1", image));
        said(&plan(&installed(&pod(old), &json!({"csi": {}})), &pod(new)))
    };
    assert_eq!(of("redis:7", &grace(60), &grace(5)), found, "it saves its data at the end");
    assert_eq!(of("redis:7", "", &grace(5)), found, "30 s are the default");
    assert_eq!(of("redis:7", &grace(5), &grace(60)), [""; 0]);
    assert_eq!(of("postgres:15", &grace(60), &grace(5)), [""; 0], "it writes ahead");
}

#[test]
fn what_a_hook_did_for_the_data_stays() {
    let hook =
        |when: &str, command: &str| format!("lifecycle: {{{when}: {{exec: {{command: [sh, -c, '{command}']}}}}}}, ");
    let saves = hook("preStop", "redis-cli save");
    assert_eq!(changed(("", &saves), ("", "")), unknown("/containers/0"));
    let found = unknown("/containers/0/lifecycle");
    assert_eq!(changed(("", &saves), ("", "lifecycle: {postStart: {sleep: {seconds: 1}}}, ")), found);
    assert_eq!(changed(("", &hook("postStart", "cp /seed/a /data/a")), ("", "")), unknown("/containers/0"));
    for quiet in ["sleep 10", "kill -INT 1", "nginx -s quit; sleep 1", "pg_ctl stop -D /data -m fast"] {
        assert_eq!(changed(("", &hook("preStop", quiet)), ("", "")), [""; 0], "{quiet}");
    }
}

#[test]
fn a_hook_that_ends_a_server_properly_may_come() {
    let hook = |command: &str| format!("lifecycle: {{preStop: {{exec: {{command: [sh, -c, '{command}']}}}}}}, ");
    for quiet in [
        "sleep 10",
        "pg_ctl stop -m fast -w",
        "redis-cli -a \"$PASSWORD\" shutdown save",
        "nodetool drain",
        "kill -TERM $(pidof server); sleep 5",
        "mysqladmin -uroot shutdown || true",
    ] {
        assert_eq!(changed(("", ""), ("", &hook(quiet))), [""; 0], "{quiet}");
    }
    let found = unknown("/containers/0/lifecycle/preStop");
    for harmful in ["pg_ctl stop -m immediate", "redis-cli shutdown nosave", "nodetool decommission", "rm -rf /data/db"]
    {
        assert_eq!(changed(("", ""), ("", &hook(harmful))), found, "{harmful}");
    }
    assert_eq!(changed(("", &hook("redis-cli save")), ("", &hook("redis-cli flushall"))), found);
}

#[test]
fn a_program_begins_where_it_did_unless_all_its_paths_are_from_the_root() {
    let of = |[old, new]: [&str; 2], more: &str| {
        let container = |folder: &str| {
            format!("name: store, image: 'x/store:1', {folder}{more}, volumeMounts: [{{name: data, mountPath: /data}}]")
        };
        said(&plan(&installed(&set("", &container(old)), &json!({"csi": {}})), &set("", &container(new))))
    };
    let found = unknown("/containers/0/workingDir");
    let changes =
        [["", "workingDir: /srv, "], ["workingDir: /srv, ", ""], ["workingDir: /srv, ", "workingDir: /opt, "]];
    for change in changes {
        for from_root in [
            "args: [--data=/data/db]",
            "args: [serve, --data, /data/db, --level=info]",
            "env: [{name: PGDATA, value: /data/pg}, {name: POSTGRES_DB, value: orders}]",
            "command: [sh, -c, 'mkdir -p /data/db; exec server --data=/data/db']",
        ] {
            assert_eq!(of(change, from_root), [""; 0], "{change:?} {from_root}");
        }
        for relative in [
            "env: [{name: MODE, value: primary}]",
            "args: [--data=/data/db, --wal=./wal]",
            "args: [--data=/data/db, --index-path=index]",
            "args: [--config=/data/conf/store.conf]",
            "env: [{name: DATA_DIR, value: /data}, {name: DB_FILE, value: app.db}]",
            "env: [{name: DATA_DIR, value: /data}, {name: DB_URL, value: 'sqlite:app.db'}]",
            "command: [sh, -c, 'mkdir -p wal; exec server --data=/data/db']",
        ] {
            assert_eq!(of(change, relative), found, "{change:?} {relative}");
        }
    }
    let same = ["workingDir: /srv, ", "workingDir: /srv/., "];
    assert_eq!(of(same, "args: [a]"), [""; 0], "the same folder");
}

#[test]
fn annotations_that_webhooks_may_read_stay() {
    let with = |annotation: &str| {
        set("", PLAIN).replace(
            "metadata: {labels: {app: store}}",
            &format!("metadata: {{labels: {{app: store}}, annotations: {{{annotation}}}}}"),
        )
    };
    let of = |old: &str, new: &str| said(&plan(&installed(&with(old), &json!({"csi": {}})), &with(new)));
    for (old, new) in [
        ("checksum/config: a", "checksum/config: b"),
        ("rollme: a", "rollme: b"),
        ("team: a", "team: b"),
        ("", "prometheus.io/scrape: 'true', prometheus.io/port: '9187'"),
        ("kubectl.kubernetes.io/restartedAt: a", ""),
        ("sidecar.istio.io/inject: 'true'", "sidecar.istio.io/inject: 'false'"),
        ("", "linkerd.io/inject: enabled"),
        ("example.com/config-hash: a", "example.com/config-hash: b"),
        ("vault.hashicorp.com/agent-limits-cpu: 1m", "vault.hashicorp.com/agent-limits-cpu: 2m"),
        ("vault.hashicorp.com/role: a", "vault.hashicorp.com/role: a"),
    ] {
        assert_eq!(of(old, new), [""; 0], "{old} to {new}");
    }
    let found = |key: &str| {
        vec![format!("Unknown PL255 StatefulSet/store /spec/template/metadata/annotations/{}", key.replace('/', "~1"))]
    };
    for key in [
        "vault.hashicorp.com/agent-inject",
        "vault.hashicorp.com/agent-inject-template-store.conf",
        "vault.hashicorp.com/agent-inject-secret-store.conf",
        "vault.security.banzaicloud.io/vault-env-from-path",
        "pre.hook.backup.velero.io/command",
        "example.com/inject",
    ] {
        let one = |text: &str| format!("{key}: '{text}'");
        assert_eq!(of(&one("dir=/data/a"), &one("dir=/data/b")), found(key), "{key} changes");
        assert_eq!(of("", &one("a")), found(key), "{key} comes");
        assert_eq!(of(&one("a"), ""), found(key), "{key} goes");
    }
}
