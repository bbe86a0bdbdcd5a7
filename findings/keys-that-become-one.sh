#!/usr/bin/env bash
# Two keys of a values file that become one key.
#
# Seen on 2026-11-29 with sigs.k8s.io/yaml 1.3.0 and 1.6.0, by which Helm 3.14.4 and 3.22.0, 4.3.1 read values files, Go 1.26.
# A number and a text are different keys in YAML: `1: a` and `'1': b` may stand in one map. So are `yes: a` and `'true': b`.
# The library makes text of all keys, in the order in which Go goes through the map: which of the two values is kept is another
# one from run to run, without a message. Expected was an error, or that the last one wins as with two equal keys.
set -euo pipefail
command -v go >/dev/null || { echo "go is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	for _, text := range []string{"1: a\n'1': b\n", "yes: a\n'true': b\n", "1: a\n1: b\n"} {
		seen := map[string]bool{}
		for range 1000 {
			values := map[string]any{}
			if err := yaml.Unmarshal([]byte(text), &values); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			seen[fmt.Sprint(values)] = true
		}
		fmt.Printf("%q: %d results\n", text, len(seen))
	}
}
GO
export GOPATH="$folder/go" GOCACHE="$folder/cache" GOFLAGS=-mod=mod
cat >expected <<'OUT'
"1: a\n'1': b\n": 2 results
"yes: a\n'true': b\n": 2 results
"1: a\n1: b\n": 1 results
OUT
for version in 1.3.0 1.6.0; do
	printf 'module finding\n\ngo 1.24\n\nrequire sigs.k8s.io/yaml v%s\n' "$version" >go.mod
	go build -o finding . || exit 2
	./finding >seen
	echo "sigs.k8s.io/yaml $version"
	cat seen
	diff expected seen || { echo "it is otherwise now"; exit 1; }
done
