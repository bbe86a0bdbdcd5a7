//! Charts that no recording has, rendered by a real helm for a simulated installation.

use crate::support::{User, helms};

/// Refuses everywhere but on the simulated OpenShift of 2.8.
const TEMPLATE: &str = r#"
{{- $claim := lookup "v1" "PersistentVolumeClaim" .Release.Namespace "pvc-postgresql" }}
{{- if ne (dig "metadata" "name" "" $claim) "pvc-postgresql" }}{{ fail "the PVC is not found" }}{{ end }}
{{- if lookup "v1" "Secret" .Release.Namespace "no-such" }}{{ fail "a Secret that is not there" }}{{ end }}
{{- if ne (int .Release.Revision) 2 }}{{ fail (printf "revision %d" .Release.Revision) }}{{ end }}
{{- if not (.Capabilities.APIVersions.Has "route.openshift.io/v1") }}{{ fail "no Route" }}{{ end }}
{{- if not .Release.IsUpgrade }}{{ fail "an installation" }}{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: claims}
data: {claim: {{ $claim.metadata.name }}}
"#;

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn helm_reads_a_simulated_installation() {
    for helm in helms() {
        let user = User::new();
        let mut files = portolan_fixtures::chart_files("control-plane-2.20.41").expect("a chart of 2.20");
        files.insert("templates/claims.yaml".into(), TEMPLATE.into());
        for (name, bytes) in files {
            let path = user.path("chart").join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
        let upgrade = |start: &str| {
            let line = format!("upgrade --sim {start} --to 2.20 --chart chart --yes");
            let came = user.command(&line).env("PORTOLAN_HELM", &helm).output().expect("the program starts");
            (came.status.code(), String::from_utf8_lossy(&came.stderr).into_owned())
        };
        let (code, said) = upgrade("openshift-2.8");
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = upgrade("kubernetes-2.8-nginx");
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("no Route"), "{said}");
    }
}
