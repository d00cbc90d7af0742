#!/bin/sh
# The whole suite, as the README and .ci/run call it: setup, style, types, layers, quick tests, long tests.
# `--all` adds the extended tests: minutes of training over a real sshd.
# The first thing that fails ends it. Needs no network beyond the package registry, no GPU, no WebUI.
set -eu
cd "$(dirname "$0")/.."

sh scripts/setup.sh --dev
PATH="$PWD/.venv/bin:$PATH"
export PATH PYTHONWARNINGS="${PYTHONWARNINGS:-}"
# The tests speak for themselves: nothing of the caller's WebUI, and one thread for each of the two workers.
for variable in $(env | sed -n 's/^\(SDWEBUI_[A-Z0-9_]*\)=.*/\1/p'); do unset "$variable"; done
unset SD_SCRIPTS_DIR SD_SCRIPTS_PYTHON SD_SCRIPTS_TOKENIZERS SSH_AUTH_SOCK
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Images often set it; without compiled files every worker, and every process a test starts, compiles anew.
unset PYTHONDONTWRITEBYTECODE

# Real servers and a real browser are part of the tests, on this machine alone.
missing=""
command -v sshd >/dev/null 2>&1 || [ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-noto-cjk"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "test: these packages are needed for the tests:$missing" >&2
        exit 1
    fi
    echo "test: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/tmp/apt.$$ 2>&1 ||
        { cat /tmp/apt.$$ >&2; exit 1; }
    rm -f /tmp/apt.$$
fi

step() {
    echo "== $*"
    "$@" </dev/null
}
step ruff check .
step ruff format --check .
# Compiles the tests while one core is free; what cannot be collected is told by the tests themselves.
pytest -q --collect-only </dev/null >/dev/null 2>&1 &
compiling=$!
step mypy
step lint-imports
wait "$compiling" || true
# worksteal: the slow folders come one after another, and would all be one worker's.
step pytest -q -n 2 --dist worksteal
# Only files that have long tests: collecting the others costs half a minute.
step pytest -q -n 2 --dist worksteal -m "long and not extended and not live" $(grep -rlE 'mark\.long' tests --include='test_*.py')
if [ "${1:-}" = --all ]; then
    step pytest -q -n 2 --dist worksteal -m "extended and not live" tests/e2e tests/pipeline
fi
