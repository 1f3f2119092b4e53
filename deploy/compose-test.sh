#!/usr/bin/env bash
# Takes docker-compose.yml up for real, uses it from outside, kills, scales, and takes it down (docs/containers.md).
# With a Docker engine it uses that; without one, as root on Debian, podman in its place. Leaves the machine as it was,
# installed packages aside. KEEP_IMAGES=1 keeps the images, so that the next run builds only what changed. Arguments name
# stages (sqlite, postgres, shops); without one all of them run.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
if [ "$(id -u)" != 0 ]; then
    echo "compose-test.sh kills containers from outside and so needs root" >&2
    exit 1
fi
ENGINE=podman
if docker info >/dev/null 2>&1; then ENGINE=docker; fi
if [ "$ENGINE" = podman ] && [ -z "${COMPOSE_TEST_INSIDE:-}" ]; then
    # a mount namespace of its own: what is mounted here is gone with the last process
    COMPOSE_TEST_INSIDE=1 exec unshare --mount --propagation private bash deploy/compose-test.sh "$@"
fi

BEGUN=$SECONDS
WORK=$(mktemp -d)
FORWARDING=$(cat /proc/sys/net/ipv4/ip_forward)
COMPOSE="docker compose"
export QUINTET_IMAGE=localhost/quintet:test
export COMPOSE_TEST_PROJECT=quintet-test COMPOSE_TEST_ENGINE=$ENGINE
read -r QUINTET_PUBLISHED_PORT QUINTET_PUBLISHED_HTTP_PORT QUINTET_PUBLISHED_PORT_2 QUINTET_PUBLISHED_HTTP_PORT_2 < <(
    .venv/bin/python -c 'from tests.support.cluster import free_ports; print(*free_ports(4))'
)
export QUINTET_PUBLISHED_PORT QUINTET_PUBLISHED_HTTP_PORT QUINTET_PUBLISHED_PORT_2 QUINTET_PUBLISHED_HTTP_PORT_2

say() { echo "[$((SECONDS - BEGUN)) s] $*"; }

prepare_docker() {
    say "build the image"
    docker build --quiet --tag "$QUINTET_IMAGE" . >/dev/null
}

prepare_podman() {
    # shellcheck source=deploy/podman.sh
    . deploy/podman.sh
    say "podman stands in for Docker"
    podman_start
    say "download the wheels"
    local lock
    for lock in build runtime; do
        .venv/bin/pip download --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
            --python-version 3.11 --dest deploy/wheels --requirement "requirements/$lock.lock"
    done
    say "build the image"
    podman_build "$QUINTET_IMAGE" . --build-arg PIP_NO_INDEX=true
    say "build PostgreSQL's"
    export QUINTET_POSTGRES_IMAGE=localhost/quintet-postgres:test
    podman_build "$QUINTET_POSTGRES_IMAGE" deploy/postgres
}

clean_up() {
    set +e
    # after an interruption something may still be up; $COMPOSE may be two words
    local project
    for project in "$COMPOSE_TEST_PROJECT" "$COMPOSE_TEST_PROJECT-garden" "$COMPOSE_TEST_PROJECT-books"; do
        # shellcheck disable=SC2086
        $COMPOSE --project-name "$project" --profile postgres down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1
    done
    "clean_up_$ENGINE"
    if [ -z "${KEEP_IMAGES:-}" ]; then rm -f deploy/wheels/*.whl; fi
    rm -rf "$WORK"
}

clean_up_docker() {
    if [ -z "${KEEP_IMAGES:-}" ]; then docker rmi "$QUINTET_IMAGE" >/dev/null; fi
}

clean_up_podman() {
    podman_stop
    if [ -z "${KEEP_IMAGES:-}" ]; then
        podman rmi --force "$QUINTET_IMAGE" "${QUINTET_POSTGRES_IMAGE:-}" "${BASE_IMAGE:-}" >/dev/null 2>&1
        podman image prune --force >/dev/null 2>&1
    fi
    iptables-save | grep -v NETAVARK | iptables-restore
    echo "$FORWARDING" >/proc/sys/net/ipv4/ip_forward
}

trap clean_up EXIT
"prepare_$ENGINE"
say "test"
export COMPOSE_TEST_COMMAND="$COMPOSE --progress quiet"
.venv/bin/python -m deploy.compose_test "$@"
say "done"
