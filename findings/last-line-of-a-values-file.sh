#!/usr/bin/env bash
# A values file that ends inside a block of text, without a newline.
#
# Seen on 2026-11-29 with sigs.k8s.io/yaml 1.6.0, by which Helm 3.22.0 reads a values file, and with the loader of Helm 4.3.1, Go 1.26.
# The last lines of a file are a certificate, say, under `key: |`, and the editor writes no newline at the end. Helm 3 gives the chart
# the text without a newline, Helm 4.3.1 with one, since it adds a newline to the file first (helm/helm#32506). A checksum of it, or
# a Secret, changes with the client. Expected was the same value.
set -euo pipefail
command -v go >/dev/null || { echo "go is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require (
	helm.sh/helm/v4 v4.3.1
	sigs.k8s.io/yaml v1.6.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"
)

func main() {
	for _, text := range []string{"key: |\n  text", "key: |\n  text\n"} {
		old := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &old); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		values, err := loader.LoadValues(strings.NewReader(text))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Printf("%q: %q by helm 3, %q by helm 4\n", text, old["key"], values["key"])
	}
}
GO
export GOPATH="$folder/go" GOCACHE="$folder/cache" GOFLAGS=-mod=mod
go build -o finding . || exit 2
./finding >seen
cat seen
cat >expected <<'OUT'
"key: |\n  text": "text" by helm 3, "text\n" by helm 4
"key: |\n  text\n": "text\n" by helm 3, "text\n" by helm 4
OUT
diff expected seen || { echo "it is otherwise now"; exit 1; }
