#!/bin/sh
# Runs in the compose service `install`: copies the checkout at /source to /app and installs the project there.
#
# A copy, because the checkout is mounted for reading only, and because the services must not change under their
# feet when somebody pulls.
set -eu

find /app -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
tar -C /source --exclude=./.git --exclude=./.venv --exclude=./output --exclude=./deploy/secrets \
    --exclude=./deploy/.env --exclude=./train_lora/sd-scripts --exclude=__pycache__ -cf - . | tar -C /app -xf -
cd /app
HOME=/tmp sh scripts/setup.sh --studio

# The services run as this user (compose.yaml), and a new volume belongs to root.
for folder in /data /backups; do
    if [ -d "$folder" ]; then
        chown 10001:10001 "$folder"
        chmod 700 "$folder"
    fi
done
