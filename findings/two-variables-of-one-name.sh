#!/usr/bin/env bash
# Two environment variables of one name, and the patch that an upgrade sends.
#
# Seen on 2026-11-28 with k8s.io/apimachinery and k8s.io/api 0.34.1, Go 1.26. A container may have two variables of one name; the API
# server accepts it with a warning, and the last one counts. The strategic three-way merge, by which Helm 3 upgrades, does this:
#   - the chart no longer gives the variable twice, but once: the patch deletes it altogether;
#   - the chart gives it a second time, with another value: the patch holds both, the second one first, and nothing changes.
# Expected was that the variable stays in the first case, and that the last value wins in the second.
set -euo pipefail
command -v go >/dev/null || { echo "go is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require (
	k8s.io/api v0.34.1
	k8s.io/apimachinery v0.34.1
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// A StatefulSet whose container has the variable DIR with these values.
func set(values ...string) []byte {
	var env []string
	for _, value := range values {
		env = append(env, fmt.Sprintf(`{"name":"DIR","value":%q}`, value))
	}
	return []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[` + strings.Join(env, ",") + `]}]}}}}`)
}

func main() {
	schema, err := strategicpatch.NewPatchMetaFromStruct(apps.StatefulSet{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, one := range []struct{ stored, chart, live []byte }{
		{set("/data", "/data"), set("/data"), set("/data", "/data")},
		{set("/data"), set("/data", "/next"), set("/data")},
	} {
		patch, err := strategicpatch.CreateThreeWayMergePatch(one.stored, one.chart, one.live, schema, true)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		after, err := strategicpatch.StrategicMergePatch(one.live, patch, apps.StatefulSet{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Printf("%s\n", after)
	}
}
GO
export GOPATH="$folder/go" GOCACHE="$folder/cache" GOFLAGS=-mod=mod
go build -o finding . || exit 2
./finding >seen
cat seen
cat >expected <<'OUT'
{"spec":{"template":{"spec":{"containers":[{"env":[],"name":"c"}]}}}}
{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"DIR","value":"/data"}],"name":"c"}]}}}}
OUT
diff expected seen || { echo "it is otherwise now"; exit 1; }
