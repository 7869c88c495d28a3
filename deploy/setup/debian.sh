#!/usr/bin/env bash
# Programs from Debian packages. Usage: debian.sh run|kafka|test. What is there already is left alone.
#   run:   what the daemon wants: ffmpeg (yt-dlp merges with it), kcat (to talk to Kafka by hand)
#   kafka: what a real Apache Kafka wants: Java 17, Maven
#   test:  both, Prometheus, PostgreSQL (without a cluster of its own: the tests make theirs),
#          and espeak-ng (the voices of the toy world)
# As root they are installed. Else this says which are missing and how to get them, and goes on, because
# much works without them; under CI=true a missing one is an error.
set -euo pipefail
cd "$(dirname "$0")/../.."

java_is_17_or_later() {
    command -v java >/dev/null || return 1
    local version
    version=$(java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

has_prometheus() {
    { command -v prometheus && command -v promtool; } >/dev/null || [ -x .cache/prometheus/usr/bin/promtool ]
}

has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

# libespeak-ng is loaded by name at run time; the package of its data may be missing beside it.
has_espeak() {
    [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) == *libespeak-ng.so.1* ]] && dpkg -s espeak-ng-data >/dev/null 2>&1
}

group=${1:?run, kafka or test}
missing=()
want_prometheus=no
if [ "$group" = run ] || [ "$group" = test ]; then
    command -v ffmpeg >/dev/null || missing+=(ffmpeg)
    command -v kcat >/dev/null || missing+=(kcat)
fi
if [ "$group" = kafka ] || [ "$group" = test ]; then
    java_is_17_or_later || missing+=(openjdk-17-jre-headless)
    command -v mvn >/dev/null || missing+=(maven)
fi
if [ "$group" = test ]; then
    has_prometheus || want_prometheus=yes
    has_espeak || missing+=(libespeak-ng1 espeak-ng-data)
    has_postgresql || missing+=(postgresql)
fi
[ ${#missing[@]} -gt 0 ] || [ "$want_prometheus" = yes ] || exit 0

as_root() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

install() {
    echo "Debian packages: installing $*"
    # Debian 13 and later have no Java 17; their default is newer, and Kafka runs on it too.
    if ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
        set -- "${@/openjdk-17-jre-headless/default-jre-headless}"
    fi
    # Debian's postgresql would make a cluster and start it on port 5432; the tests want the programs alone.
    if [[ " $* " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o=Dpkg::Use-Pty=0 "$@" </dev/null \
        | sed -nE 's/^(Setting up [^ ]+).*/  \1/p'
}

# Installing Debian's prometheus would start a service on port 9090. The tests need the two programs, not a
# service, so the package is unpacked beside the project and not installed.
unpack_prometheus() {
    echo "Debian packages: unpacking prometheus into .cache/prometheus (not installed: that would start a service)"
    local folder=.cache/prometheus.part
    # One chain, because `set -e` does not hold within a condition.
    rm -rf "$folder" && mkdir -p "$folder" \
        && (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download prometheus \
            && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) \
        && rm -rf .cache/prometheus && mv "$folder" .cache/prometheus
}

if as_root; then
    apt-get update -qq </dev/null
    if [ ${#missing[@]} -gt 0 ]; then install "${missing[@]}"; fi
    if [ "$want_prometheus" = yes ]; then unpack_prometheus; fi
    exit 0
fi

if [ "$want_prometheus" = yes ] && ! unpack_prometheus 2>/dev/null; then missing+=(prometheus); fi
[ ${#missing[@]} -gt 0 ] || exit 0
echo "Missing, and only root can install it: ${missing[*]}. What needs it will not run. On Debian:" >&2
echo "    sudo apt-get install --no-install-recommends ${missing[*]}" >&2
[ "${CI:-}" != true ]
