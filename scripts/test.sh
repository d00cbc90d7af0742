#!/bin/sh
# The whole suite, as the README and .ci/run call it: setup, style, types, layers, quick tests, long tests.
# The first thing that fails ends it. Needs no network beyond the package registry, no GPU, no WebUI.
set -eu
cd "$(dirname "$0")/.."

sh scripts/setup.sh --dev
PATH="$PWD/.venv/bin:$PATH"
export PATH PYTHONWARNINGS="${PYTHONWARNINGS:-}"
# The tests speak for themselves: nothing of the caller's WebUI, and one thread for each of the two workers.
unset SDWEBUI_URL SDWEBUI_AUTH SDWEBUI_AUTH_FILE SDWEBUI_USERNAME SDWEBUI_PASSWORD SDWEBUI_MODELS_DIR SDWEBUI_CA_FILE
unset SDWEBUI_TRAINER SDWEBUI_BASE_MODEL SDWEBUI_SSH_KEY SDWEBUI_SSH_KNOWN_HOSTS SDWEBUI_FACE_YOLO
unset SD_SCRIPTS_DIR SD_SCRIPTS_PYTHON SD_SCRIPTS_TOKENIZERS SSH_AUTH_SOCK
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# Publishing and training over SSH are tested against a real server, on this machine alone.
if ! command -v sshd >/dev/null 2>&1 && [ ! -x /usr/sbin/sshd ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "test: sshd is needed for the tests over SSH: install openssh-server." >&2
        exit 1
    fi
    echo "test: installing openssh-server"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-server; } >/tmp/apt.$$ 2>&1 ||
        { cat /tmp/apt.$$ >&2; exit 1; }
    rm -f /tmp/apt.$$
fi

step() {
    echo "== $*"
    "$@" </dev/null
}
step ruff check .
step ruff format --check .
step mypy
step lint-imports
step pytest -q -n 2
step pytest -q -n 2 -m "long and not live"
