#!/bin/sh
# Get kohya's sd-scripts (v0.10.1) and an interpreter of its own, so that LoRAs are trained on this machine.
# Run it again at any time: it does only what is missing. Linux (on Windows: inside WSL). About 6 GB with CUDA.
#
#   sh scripts/setup_trainer.sh
#
# SD_SCRIPTS_DIR=/path/to/a/checkout   uses that one instead of train_lora/sd-scripts.
# SD_SCRIPTS_PYTHON=/path/to/python    uses the interpreter sd-scripts was set up for already; only looks at it.
# PYTHON=python3.11                    makes the interpreter from that one (3.10 to 3.12).
# TORCH="torch==2.6.0 torchvision==0.21.0"   installs these instead of the newest; pip's options may stand there too.
set -eu
from=$PWD
cd "$(dirname "$0")/.."

fail() {
    echo "setup_trainer: $1" >&2
    exit 1
}

checkout=${SD_SCRIPTS_DIR:-train_lora/sd-scripts}
case $checkout in /*) ;; *) [ -z "${SD_SCRIPTS_DIR:-}" ] || checkout=$from/$checkout ;; esac
if [ ! -f "$checkout/train_network.py" ]; then
    [ -z "${SD_SCRIPTS_DIR:-}" ] || fail "there is no train_network.py in $checkout (SD_SCRIPTS_DIR)."
    echo "setup_trainer: fetching sd-scripts"
    # A copy of this project without its history has no submodules: then it is cloned.
    git submodule update --init --depth 1 "$checkout" >/dev/null 2>&1 ||
        git clone --quiet --depth 1 --branch v0.10.1 https://github.com/kohya-ss/sd-scripts.git "$checkout" ||
        fail "sd-scripts could not be fetched; the reason stands above. Or give a checkout: SD_SCRIPTS_DIR=/path"
fi
checkout=$(cd "$checkout" && pwd)

# Everything a step prints is kept back, and shown only when the step fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        fail "this failed: $*"
    fi
}
starts() { (cd "$checkout" && "$interpreter" train_network.py --help) >"$log" 2>&1; }

interpreter=${SD_SCRIPTS_PYTHON:-$checkout/venv/bin/python}
if [ -z "${SD_SCRIPTS_PYTHON:-}" ]; then
    # Its pinned libraries have no wheels for newer Pythons.
    fits='import sys; raise SystemExit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
    if ! "$interpreter" -c "$fits" >/dev/null 2>&1; then
        python=""
        for candidate in ${PYTHON:-python3.11 python3.10 python3.12 python3}; do
            if "$candidate" -c "$fits" >/dev/null 2>&1; then python=$candidate; break; fi
        done
        [ -n "$python" ] || fail "Python 3.10, 3.11 or 3.12 is needed for sd-scripts.
Install one, then: PYTHON=/path/to/python3.11 sh scripts/setup_trainer.sh"
        echo "setup_trainer: creating $checkout/venv with $("$python" --version)"
        rm -rf "$checkout/venv"
        "$python" -m venv "$checkout/venv" >"$log" 2>&1 || {
            cat "$log" >&2
            fail "Python's venv module does not work here (on Debian and Ubuntu: apt install python3-venv)."
        }
    fi
    pip() { quietly "$interpreter" -m pip install --quiet --disable-pip-version-check --no-input "$@"; }
    if ! "$interpreter" -c "import torch, torchvision" >/dev/null 2>&1; then
        echo "setup_trainer: installing torch (the largest part: several GB)"
        # shellcheck disable=SC2086  several words on purpose
        pip ${TORCH:-torch torchvision}
    fi
    if ! starts; then
        echo "setup_trainer: installing what sd-scripts asks for"
        cd "$checkout" # its own list ends with "-e .", which is relative to the checkout
        pip -r requirements.txt
    fi
fi
if ! starts; then
    cat "$log" >&2
    fail "sd-scripts does not start with $interpreter; the reason stands above."
fi
"$interpreter" -c 'import torch
gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU: a training takes a night or several"
print("setup_trainer: torch", torch.__version__, "with", gpu)'
echo "setup_trainer: ready. Name the checkpoint to train on (SD 1.5 or SDXL), then look before you train:"
echo "    export SDWEBUI_BASE_MODEL=/path/to/model.safetensors"
echo "    .venv/bin/python -m sdwebui_client doctor --trainer sd-scripts"
echo "    .venv/bin/python -m sdwebui_client train-lora --user photos/ --name alice --dry-run"
