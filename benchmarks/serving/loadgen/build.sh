#!/bin/sh
# Build the load generator as OUT (the one argument). Needs Go; versions are pinned in go.mod and go.sum.
set -eu
out=$1
cd "$(dirname "$0")"
../../../examples/clients/go/generate.sh "$PWD"
go build -o "$out" .
