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
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

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
