#!/usr/bin/env bash
# Sees to the Debian packages that some tests use: installs what is missing when it may (root and apt-get), otherwise says
# what is missing and which tests do without. With CI=true anything missing is an error.
#   --js       the npm package of the mqtt.js tests too, and a program from PyPI in an environment of its own, .venv-interop;
#              `make test` must do without them, `make test-interop` doesn't
#   --docker   Docker and what makes a base image, which `make compose-test` uses
#   --kafka    Maven and Java, which `make test-kafka` fetches and runs Kafka's server with
#   --cluster  RabbitMQ too, which `make bench-cluster` compares with
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

extra=${1:-}
declare -A package_of=(
    [mosquitto]=mosquitto
    [mosquitto_pub]=mosquitto-clients
    [ip]=iproute2
    [promtool]=prometheus
    [wrk]=wrk
    [curl]=curl
    [pg_lsclusters]=postgresql
    [mariadbd]=mariadb-server
    [redis-server]=redis-server
    [chromium]=chromium
    [nats-server]=nats-server
)
[ "$extra" != --js ] || package_of[npm]=npm
if [ "$extra" = --docker ]; then
    package_of[dockerd]=docker.io
    package_of[docker-compose]=docker-compose
    package_of[iptables]=iptables
    package_of[debootstrap]=debootstrap
fi
if [ "$extra" = --kafka ]; then
    package_of[mvn]=maven
    package_of[java]=default-jre-headless
fi
if [ "$extra" = --cluster ]; then
    package_of[rabbitmq-server]=rabbitmq-server
fi
declare -A purpose_of=(
    [mosquitto]="the comparison with mosquitto"
    [mosquitto_pub]="interoperability with mosquitto's clients"
    [ip]="network faults"
    [dockerd]="containers"
    [docker-compose]="containers"
    [iptables]="containers"
    [debootstrap]="containers"
    [chromium]="the page about the HTTP API in a browser"
    [curl]="the commands of API documents"
    [pg_lsclusters]="users in PostgreSQL"
    [mariadbd]="users in MariaDB"
    [redis-server]="users in Redis"
    [promtool]="monitoring by Prometheus"
    [wrk]="the speed of the HTTP API"
    [npm]="interoperability with mqtt.js"
    [rabbitmq-server]="the comparison with RabbitMQ"
    [nats-server]="bridges to NATS, and the comparison with it"
    [mvn]="bridges to Kafka's own server"
    [java]="bridges to Kafka's own server"
)
js=tests/integration/interop/js
failed=0

lack() { # what purpose
    echo "rmq: $1: tests of $2 do not run" >&2
    failed=1
}

missing_programs() {
    local program
    for program in "${!package_of[@]}"; do
        command -v "$program" >/dev/null || echo "$program"
    done
}

install() { # packages...
    local policy=/usr/sbin/policy-rc.d
    # Such packages start their services at once, mosquitto's on port 1883: only the programs are needed.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null >&2 &&
        apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
}

missing=$(missing_programs)
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    packages=()
    for program in $missing; do packages+=("${package_of[$program]}"); done
    echo "rmq: installing ${packages[*]}" >&2
    install "${packages[@]}" || echo "rmq: apt-get failed" >&2
    hash -r
    missing=$(missing_programs)
fi
for program in $missing; do
    lack "$program is missing (Debian package ${package_of[$program]})" "${purpose_of[$program]}"
done

if [ "$extra" = --js ] && command -v npm >/dev/null; then
    if [ ! -d "$js/node_modules/mqtt" ] || [ "$js/package-lock.json" -nt "$js/node_modules" ]; then
        echo "rmq: installing mqtt.js" >&2
        if (cd "$js" && npm ci --no-audit --no-fund --silent </dev/null >&2); then
            touch "$js/node_modules"
        else
            lack "npm could not install mqtt.js" "${purpose_of[npm]}"
        fi
    fi
fi

# With an environment of its own: what it needs is of versions that our own tests may not have.
monitor=emqx-client-monitor==0.3.1
if [ "$extra" = --js ] && [ "$(cat .venv-interop/.installed 2>/dev/null)" != "$monitor" ]; then
    echo "rmq: making .venv-interop" >&2
    if "${PYTHON:-python3}" -m venv --clear .venv-interop && .venv-interop/bin/pip install -q "$monitor" </dev/null >&2; then
        echo "$monitor" >.venv-interop/.installed
    else
        lack "pip could not install $monitor" "EMQX's clients as that program shows them"
    fi
fi

if [ "$failed" = 1 ] && [ "${CI:-}" = true ]; then
    echo "rmq: CI=true: nothing may be left out for a missing package" >&2
    exit 1
fi
