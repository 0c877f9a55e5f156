#!/bin/sh
# Starts a program that takes no secret from a file: reads the files, exports what it expects.
#
# with_secrets.sh PROGRAM [ARGUMENT...]
#   $SECRETS             directory of the secrets, default /run/secrets
#   $DATABASE_ADDRESS    host:port; if set, MLFLOW_BACKEND_STORE_URI is built from it, from
#                        $DATABASE_USER, $DATABASE_NAME and the file postgres_password
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the files s3_access_key and s3_secret_key.
set -eu

SECRETS=${SECRETS:-/run/secrets}

fail() {
    echo "with_secrets.sh: $1" >&2
    exit 1
}

# A secret by its file name; what would need encoding in a URI is refused.
secret() {
    [ -r "$SECRETS/$1" ] ||
        fail "$SECRETS/$1 cannot be read by user $(id -u). Let 'docker compose run --rm prepare' make it."
    content=$(cat "$SECRETS/$1")
    case $content in
        '') fail "$SECRETS/$1 is empty. Remove it and run 'docker compose run --rm prepare'." ;;
        *[!A-Za-z0-9._~-]*) fail "$SECRETS/$1 may hold letters, digits and ._~- only, on one line." ;;
    esac
    printf '%s' "$content"
}

[ "$#" -gt 0 ] || fail "name the program to start"

AWS_ACCESS_KEY_ID=$(secret s3_access_key)
AWS_SECRET_ACCESS_KEY=$(secret s3_secret_key)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

if [ -n "${DATABASE_ADDRESS:-}" ]; then
    password=$(secret postgres_password)
    # The driver is named: SQLAlchemy 2.1 takes another one for plain postgresql://.
    MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://$DATABASE_USER:$password@$DATABASE_ADDRESS/$DATABASE_NAME"
    export MLFLOW_BACKEND_STORE_URI
    unset password
fi

exec "$@"
