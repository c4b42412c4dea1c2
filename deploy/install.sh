#!/bin/sh
# Makes .venv and installs what `run` or `dev` needs. Does nothing when that has been done already, in
# this folder and for this pyproject.toml; a .venv that was copied or moved here is made anew.
set -eu
cd "$(dirname "$0")/.."

kind=$1
case $kind in
    run) extras=embedded ;;
    dev) extras=embedded,dev ;;
    *) echo "usage: $0 run|dev" >&2; exit 2 ;;
esac

say() { echo "payflow: $*" >&2; }

suits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3.14 python3; do
        if suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    say "needs Python 3.11 or newer with its venv module, and found none on PATH."
    say "Install it (Debian and Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3"
    exit 1
}

quietly() {
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        say "failed: $*"
        exit 1
    fi
}

# A package index that is away for a moment is asked again, for a minute or so.
export PIP_RETRIES="${PIP_RETRIES:-8}" PIP_DEFAULT_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-60}"
export UV_HTTP_RETRIES="${UV_HTTP_RETRIES:-6}" UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-60}"

from_pypi() { .venv/bin/python -m pip install --disable-pip-version-check "$@"; }

with_uv() { from_pypi --only-binary :all: 'uv>=0.9,<1' && .venv/bin/uv pip install --python .venv/bin/python "$@"; }

# uv finds in seconds the versions that take pip a minute. But only pip reads pip's settings, such as another
# index or a proxy's certificate: where uv fails, pip has the last word.
install() { with_uv "$@" || from_pypi "$@"; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
here=$(pwd -P)
wanted=$(cksum <pyproject.toml)

if [ "$(cat .venv/made-in 2>/dev/null)" != "$here" ] || ! suits .venv/bin/python; then
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    quietly "$python" -m venv .venv
    echo "$here" >.venv/made-in
fi

if [ "$(cat ".venv/installed-$kind" 2>/dev/null)" != "$wanted" ]; then
    say "installing packages into .venv (a minute or so, the first time)"
    quietly install --editable ".[$extras]"
    echo "$wanted" >".venv/installed-$kind"
    if [ "$kind" = dev ]; then
        echo "$wanted" >.venv/installed-run
    fi
    say "installed"
fi
