#!/bin/sh
# Make the Go stubs of the contract in gen/ (not committed) of this module, or of the module in the folder that is given.
# Needs Go and a Python with grpcio-tools, which brings protoc, and googleapis-common-protos; the plugins are pinned in
# go.mod. PYTHON names the interpreter; default is the checkout's own environment.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
cd "${1:-$(dirname "$0")}"

protos=$root/protos
venv=$root/.venv/bin/python
python=${PYTHON:-$([ -x "$venv" ] && echo "$venv" || echo python3)}
module=$(go list -m)

go build -o .build/bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc

# The stubs are made in this module, not taken from the import path that the contract names: quintet/type/v1 becomes
# package typev1 in gen/.
set --
for file in "$protos"/quintet/type/v1/*.proto "$protos"/quintet/coordinator/v1/*.proto; do
    name=${file#"$protos"/}
    folder=$(dirname "$name")
    package=$(basename "$(dirname "$folder")")$(basename "$folder")
    set -- "$@" "$name" "--go_opt=M$name=$module/gen/$folder;$package" "--go-grpc_opt=M$name=$module/gen/$folder;$package"
done

# What the contract imports of google/api comes with Quintet's dependencies.
googleapis=$("$python" -c 'import pathlib; from google.api import http_pb2; print(pathlib.Path(http_pb2.__file__).parents[2])')

rm -rf gen
mkdir gen
"$python" -m grpc_tools.protoc --proto_path="$protos" --proto_path="$googleapis" \
    --plugin=.build/bin/protoc-gen-go --go_out=gen --go_opt=paths=source_relative \
    --plugin=.build/bin/protoc-gen-go-grpc --go-grpc_out=gen --go-grpc_opt=paths=source_relative \
    "$@"
