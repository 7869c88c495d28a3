#!/usr/bin/env bash
# versitygw, a real S3 server for the tests, built once into .cache/versitygw (about two minutes).
# It needs Go 1.25 or later. Without it this says so, and the tests that need S3 are skipped; under CI=true that is
# an error, here and there.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=v1.8.0
go_wanted=1.25
folder=.cache/versitygw
program=$folder/versitygw-$version

[ -x "$program" ] && exit 0

# True if $1 (major.minor[.patch]) is recent enough.
recent() { [ "$(printf '%s\n%s\n' "$go_wanted" "$1" | sort -V | head -n 1)" = "$go_wanted" ]; }

go_is_recent() {
    command -v go >/dev/null || return 1
    recent "$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')"
}

# Debian's own Go, where it is recent enough. Bookworm's (1.19) is not.
debian_package() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
    local candidate
    candidate=$(apt-cache policy golang-go | sed -nE 's/^ *Candidate: ([0-9]+:)?([0-9.]+).*/\2/p')
    [ -n "$candidate" ] && recent "$candidate"
}

if ! go_is_recent && debian_package; then
    echo "Debian packages: installing golang-go"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go </dev/null >/dev/null
fi
give_up() {
    echo "$* The tests that need S3 will not run." >&2
    [ "${CI:-}" != true ]
    exit
}

go_is_recent || give_up "Missing: Go $go_wanted or later (https://go.dev/dl), which builds the tests' S3 server."

echo "versitygw: building $version into $folder (about two minutes, once)"
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
[ -x "$program" ] && exit 0
# Its modules are pinned by its version, and checked against the public sum database, as Go does by itself.
GOBIN="$PWD/$folder/part" GOFLAGS=-trimpath nice go install "github.com/versity/versitygw/cmd/versitygw@$version" ||
    give_up "versitygw: Go could not build it, see above."
mv "$folder/part/versitygw" "$program"
rmdir "$folder/part"
