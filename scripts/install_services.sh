#!/usr/bin/env bash
# Installs what tests start themselves, from Debian's packages: PostgreSQL, and promtool, which checks the alert rules. Does nothing where both are there.
set -euo pipefail
packages=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v promtool >/dev/null || packages+=(prometheus)
if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "${packages[*]}: missing, and there is no apt-get to install it with" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
