#!/bin/bash
# What the container runs: IRIS' own entry point, and before it what must not wait for IRIS.
#
# The password file is handed over until one start has ended well. Later starts would give that one
# password to every account again, whatever an administrator has chosen since.
set -euo pipefail

home=${CT_HOME:-/dur}
data=${ISC_DATA_DIRECTORY:-/dur/iconfig}
password_file=${IRIS_PASSWORD_FILE:-/run/secrets/iris_password}

fail() {
    echo "entrypoint.sh: $1" >&2
    exit 1
}

# On an empty volume (deploy/kubernetes) nobody has made them before.
for place in "$home/log" "$data"; do
    { mkdir -p "$place" && [[ -w $place ]]; } ||
        fail "$place cannot be written by user $(id -u). Mend it with: docker compose run --rm prepare"
done

# A marker of an earlier start says nothing about this one.
rm -f "$home/log/ct.ready"

if [[ ! -e $data/ct.initialised ]]; then
    [[ -s $password_file && -r $password_file ]] ||
        fail "$password_file cannot be read by user $(id -u): the first start needs a password for IRIS' accounts. Make it with: docker compose run --rm prepare"
    set -- --password-file "$password_file" "$@"
fi

exec "${IRIS_MAIN:-/iris-main}" "$@"
