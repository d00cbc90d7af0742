#!/bin/sh
# Get kohya's sd-scripts (v0.10.1) and an interpreter of its own, so that LoRAs are trained on this machine.
# Run it again at any time: it does only what is missing. About 6 GB with CUDA.
#
#   sh scripts/setup_trainer.sh
#
# SD_SCRIPTS_DIR=/path/to/a/checkout   uses that one instead of train_lora/sd-scripts.
# PYTHON=python3.11                    uses that interpreter (3.10 to 3.12).
# TORCH="torch==2.6.0 torchvision==0.21.0"   installs these instead of the newest.
set -eu
cd "$(dirname "$0")/.."

checkout=${SD_SCRIPTS_DIR:-train_lora/sd-scripts}
if [ ! -f "$checkout/train_network.py" ]; then
    if [ -n "${SD_SCRIPTS_DIR:-}" ]; then
        echo "setup_trainer: there is no train_network.py in $checkout." >&2
        exit 1
    fi
    echo "setup_trainer: fetching sd-scripts"
    # A copy of this project without its history has no submodules: then it is cloned.
    git submodule update --init --depth 1 "$checkout" 2>/dev/null ||
        git clone --quiet --depth 1 --branch v0.10.1 https://github.com/kohya-ss/sd-scripts.git "$checkout"
fi

# Its pinned libraries have no wheels for newer Pythons.
fits='import sys; raise SystemExit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
python=""
for candidate in ${PYTHON:-python3.11 python3.10 python3.12 python3}; do
    if "$candidate" -c "$fits" >/dev/null 2>&1; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "setup_trainer: Python 3.10, 3.11 or 3.12 is needed for sd-scripts." >&2
    echo "Install one, then: PYTHON=/path/to/python3.11 sh scripts/setup_trainer.sh" >&2
    exit 1
fi

venv=$checkout/venv
if ! "$venv/bin/python" -c "$fits" >/dev/null 2>&1; then
    echo "setup_trainer: creating $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"; }

if ! "$venv/bin/python" -c "import torch, torchvision" >/dev/null 2>&1; then
    echo "setup_trainer: installing torch (the largest part)"
    # shellcheck disable=SC2086  several words on purpose
    pip ${TORCH:-torch torchvision}
fi
if ! (cd "$checkout" && venv/bin/python train_network.py --help) >/dev/null 2>&1; then
    echo "setup_trainer: installing what sd-scripts asks for"
    # Its own list ends with "-e .", which is relative to the checkout.
    (cd "$checkout" && venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r requirements.txt)
fi
if ! (cd "$checkout" && venv/bin/python train_network.py --help) >/tmp/setup_trainer.$$ 2>&1; then
    cat /tmp/setup_trainer.$$ >&2
    rm -f /tmp/setup_trainer.$$
    echo "setup_trainer: sd-scripts does not start; the reason stands above." >&2
    exit 1
fi
rm -f /tmp/setup_trainer.$$
"$venv/bin/python" -c 'import torch
print("setup_trainer: torch", torch.__version__, "with", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU: training will take days")'
echo "setup_trainer: ready. Name the checkpoint to train on (SD 1.5 or SDXL), then try it:"
echo "    export SDWEBUI_BASE_MODEL=/path/to/model.safetensors"
echo "    .venv/bin/python -m sdwebui_client train-lora --user photos/ --name alice --dry-run"
