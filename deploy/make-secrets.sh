#!/bin/sh
# Makes the secrets of compose.yaml that are not there yet, each in a file of deploy/secrets.
#
# The folder is closed to everybody else on this machine; the files in it are not, because each is shown to a
# container whose user has another number.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 700 secrets

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
make() {
    if [ ! -e "secrets/$1" ]; then
        printf '%s' "$2" >"secrets/$1"
        echo "made deploy/secrets/$1"
    fi
    chmod 644 "secrets/$1"
}

make studio_secret "$(random)"
make postgres_password "$(random)"
make database_url "postgresql://studio:$(cat secrets/postgres_password)@postgres:5432/studio"
make metrics_token "$(random)"
make grafana_password "$(random)"
# Empty until you fill them in.
make smtp_password ""
make ssh_key ""
make ssh_known_hosts ""
