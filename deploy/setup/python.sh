#!/usr/bin/env bash
# The virtual environment .venv with exactly the versions, and the hashes, of constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."

find_python() {
    local name
    for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$name" ] && "$name" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

if [ ! -x .venv/bin/python ]; then
    if ! python=$(find_python) && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "Python: installing Debian's python3 and python3-venv"
        apt-get update -qq </dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv </dev/null >/dev/null
    fi
    if ! python=$(find_python); then
        echo "Python 3.11 or later with its venv module is needed; on Debian: sudo apt-get install python3 python3-venv" >&2
        exit 1
    fi
    echo "Python: making .venv with $("$python" --version)"
    "$python" -m venv .venv
fi

if [ ! -x .venv/bin/uv ]; then
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/setup/uv.txt
fi
export VIRTUAL_ENV="$PWD/.venv"
echo "Python: installing what constraints.txt lists (about 6 GB the first time; minutes)"
# Compiled now, once: where PYTHONDONTWRITEBYTECODE is set (containers, CI), every process would compile torch anew.
.venv/bin/uv pip install --compile-bytecode --require-hashes -r constraints.txt
# setuptools, which builds the editable install, is in constraints.txt too: nothing unpinned is fetched.
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation -e .
