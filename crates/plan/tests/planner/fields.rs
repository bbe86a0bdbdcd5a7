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
        ("workingDir: /srv, ", "/workingDir"),
        ("fieldOfALaterVersion: a, ", "/fieldOfALaterVersion"),
    ] {
        for (old, new, how) in [("", field, "comes"), (field, "", "goes")] {
            let said = changed(("", old), ("", new));
            assert!(said.contains(&unknown(&format!("{own}{pointer}"))[0]), "{field} {how}: {said:?}");
        }
        assert_eq!(changed(("", field), ("", field)), [""; 0], "{field} stays");
    }
    let folder = |path: &str| format!("workingDir: {path}, ");
    assert_eq!(changed(("", &folder("/srv")), ("", &folder("/srv/."))), [""; 0], "the same folder");
    assert_eq!(changed(("", &folder("/srv")), ("", &folder("/opt"))), unknown("/containers/0/workingDir"));
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
