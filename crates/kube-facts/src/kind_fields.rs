//! Every field of the spec of the kinds by which a volume is reached: workloads, PVCs, PVs and Services (`k8s.io/api` of Kubernetes 1.34:
//! `apps/v1/types.go`, `batch/v1/types.go`, `core/v1/types.go`), and what a change of it can do to the data. Pods have lists of their own in
//! `pod_fields.rs`. What is on no list is not known to be harmless.
//!
//! Other kinds reach a volume by one of these, or by what is compared by itself: settings in ConfigMaps and Secrets, rights of accounts,
//! autoscalers, custom resources, webhooks.

use crate::Kind;
use crate::pod_fields::FieldEffect::{self, Compared, Harmless, Unclear};
use crate::pod_fields::{Fields, find};

const PODS: FieldEffect = Compared("the pods");
const NUMBER: FieldEffect = Compared("how many pods there are, and which");
const ORDER: FieldEffect = Compared("when pods are replaced");
const HISTORY: FieldEffect = Harmless("it says how many old templates or ended Jobs are kept, which have no data");
const READY: FieldEffect = Harmless("it says when a pod counts as available, or a rollout as failed");
const SERVER: FieldEffect = Compared("what the API server lets nobody change");
const RETRIES: FieldEffect =
    Harmless("it says how often and how long a pod is tried; what its program does to data is judged as if it ran");
const WRITERS: FieldEffect = Compared("Jobs whose pods write to the volume");
const WHEN: FieldEffect =
    Harmless("it says when a pod starts; what its program does to data is judged as if it ran now");
const TRAFFIC: FieldEffect = Harmless("it says by which address and node the same pods are reached");
const WHERE: FieldEffect = Compared("where clients are led");
const OTHER_DISK: FieldEffect = Unclear("it says where the data lies, and the PV holds it today");
const ATTRIBUTES: FieldEffect =
    Unclear("what its CSI driver does to the volume with the parameters of another class is the driver's own");
const BOUND: FieldEffect = Harmless("it decides what the PV is bound to, and it is bound");

/// Fields of `StatefulSetSpec`.
const STATEFUL_SET: Fields = &[
    ("minReadySeconds", READY),
    ("ordinals", NUMBER),
    ("persistentVolumeClaimRetentionPolicy", Compared("which PVCs go with it, and with its replicas")),
    ("podManagementPolicy", ORDER),
    ("replicas", NUMBER),
    ("revisionHistoryLimit", HISTORY),
    ("selector", SERVER),
    ("serviceName", Compared("the name of the host")),
    ("template", PODS),
    ("updateStrategy", ORDER),
    ("volumeClaimTemplates", Compared("which PVCs its pods mount")),
];

/// Fields of `DeploymentSpec`.
const DEPLOYMENT: Fields = &[
    ("minReadySeconds", READY),
    ("paused", ORDER),
    ("progressDeadlineSeconds", READY),
    ("replicas", NUMBER),
    ("revisionHistoryLimit", HISTORY),
    ("selector", SERVER),
    ("strategy", ORDER),
    ("template", PODS),
];

/// Fields of `DaemonSetSpec`.
const DAEMON_SET: Fields = &[
    ("minReadySeconds", READY),
    ("revisionHistoryLimit", HISTORY),
    ("selector", SERVER),
    ("template", PODS),
    ("updateStrategy", ORDER),
];

/// Fields of `ReplicaSetSpec` and `ReplicationControllerSpec`.
const REPLICA_SET: Fields =
    &[("minReadySeconds", READY), ("replicas", NUMBER), ("selector", SERVER), ("template", PODS)];

/// Fields of `JobSpec`.
const JOB: Fields = &[
    ("activeDeadlineSeconds", RETRIES),
    ("backoffLimit", RETRIES),
    ("backoffLimitPerIndex", RETRIES),
    ("completionMode", SERVER),
    ("completions", RETRIES),
    ("managedBy", SERVER),
    ("manualSelector", SERVER),
    ("maxFailedIndexes", RETRIES),
    ("parallelism", WRITERS),
    ("podFailurePolicy", RETRIES),
    ("podReplacementPolicy", WRITERS),
    ("selector", SERVER),
    ("successPolicy", RETRIES),
    ("suspend", Compared("whether it runs")),
    ("template", PODS),
    ("ttlSecondsAfterFinished", Harmless("it says when the Job goes that has ended, and no PVC goes with it")),
];

/// Fields of `CronJobSpec`. Those of its Jobs are below `jobTemplate`.
const CRON_JOB: Fields = &[
    ("concurrencyPolicy", WRITERS),
    ("failedJobsHistoryLimit", HISTORY),
    ("jobTemplate.metadata", Harmless("the names and labels of its Jobs say nothing of data")),
    ("schedule", WHEN),
    ("startingDeadlineSeconds", WHEN),
    ("successfulJobsHistoryLimit", HISTORY),
    ("suspend", Compared("whether it runs")),
    ("timeZone", WHEN),
];

/// Fields of `PersistentVolumeClaimSpec`: of a PVC that is bound.
const CLAIM: Fields = &[
    ("accessModes", SERVER),
    ("dataSource", SERVER),
    ("dataSourceRef", SERVER),
    ("resources.limits", Harmless("nothing asks for it")),
    ("resources.requests", Compared("sizes that a volume can get")),
    ("selector", SERVER),
    ("storageClassName", SERVER),
    ("volumeAttributesClassName", ATTRIBUTES),
    ("volumeMode", SERVER),
    ("volumeName", SERVER),
];

/// Fields of `PersistentVolumeSpec`: of a PV that is bound. Its sources are all alike.
const VOLUME: Fields = &[
    ("accessModes", BOUND),
    ("awsElasticBlockStore", OTHER_DISK),
    ("azureDisk", OTHER_DISK),
    ("azureFile", OTHER_DISK),
    ("capacity", BOUND),
    ("cephfs", OTHER_DISK),
    ("cinder", OTHER_DISK),
    ("claimRef", Unclear("it says which PVC has the PV, and another one would get it")),
    ("csi", OTHER_DISK),
    ("fc", OTHER_DISK),
    ("flexVolume", OTHER_DISK),
    ("flocker", OTHER_DISK),
    ("gcePersistentDisk", OTHER_DISK),
    ("glusterfs", OTHER_DISK),
    ("hostPath", OTHER_DISK),
    ("iscsi", OTHER_DISK),
    ("local", OTHER_DISK),
    ("mountOptions", Unclear("the data may be mounted otherwise, or not to be written")),
    ("nfs", OTHER_DISK),
    ("nodeAffinity", Unclear("on another node the data may be another one, or none")),
    ("persistentVolumeReclaimPolicy", Compared("what becomes of the disk")),
    ("photonPersistentDisk", OTHER_DISK),
    ("portworxVolume", OTHER_DISK),
    ("quobyte", OTHER_DISK),
    ("rbd", OTHER_DISK),
    ("scaleIO", OTHER_DISK),
    ("storageClassName", BOUND),
    ("storageos", OTHER_DISK),
    ("volumeAttributesClassName", ATTRIBUTES),
    ("volumeMode", OTHER_DISK),
    ("vsphereVolume", OTHER_DISK),
];

/// Fields of `ServiceSpec`.
const SERVICE: Fields = &[
    ("allocateLoadBalancerNodePorts", TRAFFIC),
    ("clusterIP", WHERE),
    ("clusterIPs", WHERE),
    ("externalIPs", TRAFFIC),
    ("externalName", WHERE),
    ("externalTrafficPolicy", TRAFFIC),
    ("healthCheckNodePort", TRAFFIC),
    ("internalTrafficPolicy", TRAFFIC),
    ("ipFamilies", TRAFFIC),
    ("ipFamilyPolicy", TRAFFIC),
    ("loadBalancerClass", TRAFFIC),
    ("loadBalancerIP", TRAFFIC),
    ("loadBalancerSourceRanges", TRAFFIC),
    ("ports", WHERE),
    ("publishNotReadyAddresses", Compared("pods that find each other before they are ready")),
    ("selector", WHERE),
    ("sessionAffinity", TRAFFIC),
    ("sessionAffinityConfig", TRAFFIC),
    ("trafficDistribution", TRAFFIC),
    ("type", WHERE),
];

/// What a change of a field of a kind's spec can do to data that the object reaches; `None` for kinds without such a list. The path has dots:
/// `persistentVolumeClaimRetentionPolicy.whenDeleted`. `group` and `name` are those of the kind.
#[must_use]
pub fn kind_field(group: &str, name: &str, path: &str) -> Option<FieldEffect> {
    if (group, name) == ("", "Service") {
        return Some(find(SERVICE, path));
    }
    let fields = match Kind::in_group(group, name) {
        Kind::StatefulSet => STATEFUL_SET,
        Kind::Deployment => DEPLOYMENT,
        Kind::DaemonSet => DAEMON_SET,
        Kind::ReplicaSet | Kind::ReplicationController => REPLICA_SET,
        Kind::Job => JOB,
        Kind::CronJob => match path.strip_prefix("jobTemplate.spec.") {
            Some(rest) => return Some(find(JOB, rest)),
            None => CRON_JOB,
        },
        Kind::PersistentVolumeClaim => CLAIM,
        Kind::PersistentVolume => VOLUME,
        Kind::Pod
        | Kind::Namespace
        | Kind::CustomResourceDefinition
        | Kind::Route
        | Kind::Ingress
        | Kind::Inert
        | Kind::Custom => return None,
    };
    Some(find(fields, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod_fields::NOT_KNOWN;

    /// The fields of each spec, Kubernetes 1.34.
    const SPECS: [(&str, &str, Fields, &str); 10] = [
        (
            "apps",
            "StatefulSet",
            STATEFUL_SET,
            "replicas selector template volumeClaimTemplates serviceName podManagementPolicy updateStrategy revisionHistoryLimit \
             minReadySeconds persistentVolumeClaimRetentionPolicy ordinals",
        ),
        (
            "apps",
            "Deployment",
            DEPLOYMENT,
            "replicas selector template strategy minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds",
        ),
        ("apps", "DaemonSet", DAEMON_SET, "selector template updateStrategy minReadySeconds revisionHistoryLimit"),
        ("apps", "ReplicaSet", REPLICA_SET, "replicas minReadySeconds selector template"),
        ("", "ReplicationController", REPLICA_SET, "replicas minReadySeconds selector template"),
        (
            "batch",
            "Job",
            JOB,
            "parallelism completions activeDeadlineSeconds podFailurePolicy successPolicy backoffLimit backoffLimitPerIndex \
             maxFailedIndexes selector manualSelector template ttlSecondsAfterFinished completionMode suspend podReplacementPolicy managedBy",
        ),
        (
            "batch",
            "CronJob",
            CRON_JOB,
            "schedule timeZone startingDeadlineSeconds concurrencyPolicy suspend jobTemplate.metadata successfulJobsHistoryLimit \
             failedJobsHistoryLimit",
        ),
        (
            "",
            "PersistentVolumeClaim",
            CLAIM,
            "accessModes selector resources.requests resources.limits volumeName storageClassName volumeMode dataSource dataSourceRef \
             volumeAttributesClassName",
        ),
        (
            "",
            "PersistentVolume",
            VOLUME,
            "capacity accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode nodeAffinity \
             volumeAttributesClassName gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd iscsi cinder cephfs fc flocker \
             flexVolume azureFile vsphereVolume quobyte azureDisk photonPersistentDisk portworxVolume scaleIO local storageos csi",
        ),
        (
            "",
            "Service",
            SERVICE,
            "ports selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges externalName \
             externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig ipFamilies ipFamilyPolicy \
             allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution",
        ),
    ];

    #[test]
    fn every_field_of_a_spec_is_on_the_list_of_its_kind_and_nothing_else_is() {
        for (group, kind, known, spec) in SPECS {
            for field in spec.split_whitespace() {
                assert_ne!(kind_field(group, kind, field), Some(NOT_KNOWN), "{field} of a {kind}");
            }
            assert_eq!(known.len(), spec.split_whitespace().count(), "{kind}");
            for (field, effect) in known {
                let (Harmless(why) | Compared(why) | Unclear(why)) = effect;
                assert!(!why.is_empty(), "{field} of a {kind} has a reason");
            }
            assert_eq!(kind_field(group, kind, "fieldOfALaterVersion"), Some(NOT_KNOWN), "{kind}");
        }
    }

    #[test]
    fn a_cron_job_has_the_fields_of_its_jobs() {
        for (path, is_harmless) in [
            ("schedule", true),
            ("jobTemplate.spec.ttlSecondsAfterFinished", true),
            ("jobTemplate.spec.parallelism", false),
            ("jobTemplate.metadata.labels.app", true),
            ("jobTemplate.fieldOfALaterVersion", false),
        ] {
            let effect = kind_field("batch", "CronJob", path).expect("it has a list");
            assert_eq!(matches!(effect, Harmless(_)), is_harmless, "{path}");
        }
        for (group, kind) in [("", "ConfigMap"), ("db.example.com", "StatefulSet"), ("", "Pod")] {
            assert_eq!(kind_field(group, kind, "spec"), None, "{kind}.{group}");
        }
    }
}
