#!/usr/bin/env bash
# A subchart's own default below `global` that its parent and the other subcharts see.
#
# Seen on 2026-11-29 with Helm 3.14.4, 3.22.0 and 4.3.1 (`helm` on the path, or the one that HELM names).
# The parent has `global: {tls: {server: {mode: full}}}`, the subchart `one` has the default `global: {tls: {server: {secret: of-one}}}`.
# Globals go down, as the documentation has it; here `secret` goes up, into the parent's values, and from there into the subchart `two`,
# which comes later. The reason is `coalesceGlobals`, which copies a map of the globals one level deep, so that a map in it is one and
# the same for all. With `global: {tls: {mode: full}}` and `global: {tls: {secret: of-one}}` nothing goes up.
set -euo pipefail
helm=${HELM:-helm}
command -v "$helm" >/dev/null || { echo "helm is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p root/templates root/charts/one root/charts/two
for chart in root root/charts/one root/charts/two; do
	printf 'apiVersion: v2\nname: %s\nversion: 1.0.0\n' "$(basename "$chart")" >"$chart/Chart.yaml"
done
printf 'seen: {{ dict "root" .Values.global "two" .Values.two.global | toJson }}\n' >root/templates/seen.yaml
see() {
	echo "global: {tls: $1}" >root/values.yaml
	echo "global: {tls: $2}" >root/charts/one/values.yaml
	HOME=$folder KUBECONFIG=$folder/none "$helm" template release root | grep '^seen'
}
{
	see '{server: {mode: full}}' '{server: {secret: of-one}}'
	see '{mode: full}' '{secret: of-one}'
} | tee seen
diff - seen <<'OUT' || { echo "it is otherwise now"; exit 1; }
seen: {"root":{"tls":{"server":{"mode":"full","secret":"of-one"}}},"two":{"tls":{"server":{"mode":"full","secret":"of-one"}}}}
seen: {"root":{"tls":{"mode":"full"}},"two":{"tls":{"mode":"full"}}}
OUT
