# shellcheck shell=bash
# Stands in for a Docker engine where there is none: podman behind Docker's API, without systemd, cgroups or a registry.
# To be sourced, as root, in a mount namespace of its own. Sets DOCKER_HOST, CONTAINERS_CONF, COMPOSE; uses WORK, CACHE.

readonly SUITE=bookworm
BASE_IMAGE=localhost/quintet-base:$SUITE
PODMAN_PIDS=()

podman_start() {
    podman_install
    podman_configure
    podman_base_image
    podman_serve
    export COMPOSE="$WORK/compose/bin/docker-compose"
}

podman_install() {
    export DEBIAN_FRONTEND=noninteractive
    local wanted=(podman crun netavark aardvark-dns iptables iproute2 catatonit mmdebstrap)
    if ! dpkg-query --show --showformat='${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null | grep -c '^installed$' |
        grep -q "^${#wanted[@]}$"; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
    fi
    python3 -m venv "$WORK/compose"
    "$WORK/compose/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r deploy/compose.lock
}

# Each line answers a failure seen: no right to raise limits, hybrid cgroups, health checks that linger for 300 s.
podman_configure() {
    if [ -d /sys/fs/cgroup/unified ]; then
        umount /sys/fs/cgroup/unified # in this mount namespace only: crun refuses hybrid cgroups
    fi
    export CONTAINERS_CONF=$WORK/containers.conf DOCKER_HOST=unix://$WORK/podman.sock
    local files
    files=$(ulimit -Hn)
    cat >"$CONTAINERS_CONF" <<END
[containers]
cgroups = "disabled"
cgroupns = "host"
default_ulimits = ["nofile=$files:$files", "nproc=4096:4096"]
log_driver = "k8s-file"
[network]
network_backend = "netavark"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
exit_command_delay = 1
runtime = "crun"
END
}

# Debian with its own Python 3.11, in the place of the official image that cannot be pulled here.
podman_base_image() {
    if podman image exists "$BASE_IMAGE"; then
        return
    fi
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates "$SUITE" "$WORK/root.tar"
    podman import --quiet "$WORK/root.tar" "$BASE_IMAGE" >/dev/null
    rm "$WORK/root.tar"
}

podman_build() { # TAG CONTEXT [OPTION...]
    local tag=$1 context=$2
    shift 2
    podman build --quiet --isolation=chroot --network=host --pull=never --format docker --tag "$tag" \
        --build-arg BASE="$BASE_IMAGE" "$@" "$context" >/dev/null
}

podman_serve() {
    # in a session of its own: an interruption from the keyboard must leave it up until all is taken down
    setsid podman system service --time=0 "$DOCKER_HOST" >"$WORK/podman.log" 2>&1 &
    PODMAN_PIDS+=($!)
    podman_watch_health &
    PODMAN_PIDS+=($!)
    local _
    for _ in $(seq 100); do
        if [ -S "$WORK/podman.sock" ]; then return; fi
        sleep 0.1
    done
    cat "$WORK/podman.log" >&2
    return 1
}

# podman leaves health checks to systemd's timers; here this loop runs them until a container is healthy.
podman_watch_health() {
    local container
    while sleep 1; do
        for container in $(podman ps --quiet --filter health=starting --filter health=unhealthy 2>/dev/null); do
            podman healthcheck run "$container" >/dev/null 2>&1 || true
        done
    done
}

podman_stop() {
    if [ ${#PODMAN_PIDS[@]} -gt 0 ]; then
        kill "${PODMAN_PIDS[@]}" 2>/dev/null || true
        wait "${PODMAN_PIDS[@]}" 2>/dev/null || true
    fi
}
