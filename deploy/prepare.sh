#!/bin/sh
# Makes the directories of the durable volume and the secrets, each for the user of the service
# that needs it. Runs as root before every start, in any small image with a shell; what is there
# already is kept, so running it again changes nothing. Secrets are never printed.
#
# prepare.sh DUR
set -eu

dur=${1:?usage: prepare.sh DUR}

# Users of the containers: IRIS' irisowner, who is the gateway's too since they share files, the
# postgres image's, and two of our own choice in docker-compose.yml (RustFS has the same number for
# its own).
iris=51773 postgres=999 storage=10001 mlflow=10002

# Who cloned the project: owns dur/ and drops files into the inbox.
person=$(stat -c %u "$dur")

fail() {
    echo "prepare.sh: $1" >&2
    exit 1
}

# own PATH OWNER[:GROUP] MODE
own() {
    { chown "$2" "$1" && chmod "$3" "$1"; } ||
        fail "cannot give $1 to user $2. The file system of $dur must know owners: use a local disk, or see docs/deployment.md."
}

# directory PATH OWNER[:GROUP] MODE
directory() {
    mkdir -p "$dur/$1" || fail "cannot make $dur/$1"
    own "$dur/$1" "$2" "$3"
}

# of_one_user PATH USER MODE: with all that is in it, whoever wrote that (a restore, or a host
# outside containers). Looked for first: nothing is changed below a directory that is in order.
of_one_user() {
    if [ -d "$dur/$1" ] && [ -n "$(find "$dur/$1" ! -user "$2" | head -n 1)" ]; then
        chown -hR "$2:$2" "$dur/$1" || fail "cannot give what is in $dur/$1 to user $2"
    fi
    directory "$1" "$2:$2" "$3"
}

# shared PATH MODE: for the person, who puts files there, and for IRIS, which takes them away.
shared() {
    directory "$1" "$person:$iris" "$2"
}

# random LENGTH: hexadecimal digits, 4 bits each
random() {
    LC_ALL=C tr -dc 0-9a-f </dev/urandom | head -c "$1"
}

# write FILE OWNER TEXT: as a whole or not at all, readable by its owner only
write() {
    printf '%s\n' "$3" >"$1.new"
    own "$1.new" "$2:$2" 0400
    mv "$1.new" "$1"
}

# secret PATH OWNER LENGTH
secret() {
    file=$dur/secrets/$1
    if [ ! -s "$file" ]; then
        text=$(random "$3")
        [ "${#text}" -eq "$3" ] || fail "/dev/urandom gave too few digits for $1"
        write "$file" "$2" "$text"
        echo "prepare.sh: made dur/secrets/$1"
    fi
    own "$file" "$2:$2" 0400
}

# same PATH OF OWNER: the secret that another service has, for this one
same() {
    text=$(cat "$dur/secrets/$2")
    [ "$(cat "$dur/secrets/$1" 2>/dev/null)" = "$text" ] || write "$dur/secrets/$1" "$3" "$text"
    own "$dur/secrets/$1" "$3:$3" 0400
}

umask 077

# Sticky: whoever may write here moves or removes only what is theirs.
own "$dur" "$person:$iris" u+rwx,g+rwx,o+x,+t

# Rows of people may be in them: nothing for other accounts of this machine. Logs have none.
for place in iconfig archive quarantine store artifacts serving tmp; do of_one_user "$place" "$iris" 0750; done
of_one_user log "$iris" 0755
shared models 2775
shared inbox 2770
for file in "$dur"/models/*.toml; do
    if [ -e "$file" ]; then
        model=$(basename "$file" .toml)
        shared "inbox/$model" 2770
        shared "inbox/$model/labels" 2770
    fi
done

# Where tokens are in use and there is none, the gateway lets nobody in: so it may listen in its
# container, and nothing is known to anybody before an administrator creates a token.
if [ ! -e "$dur/serving/tokens.json" ]; then
    write "$dur/serving/tokens.json" "$iris" '{"version": 1, "tokens": []}'
fi

[ -d "$dur/sandbox" ] || directory sandbox "$person:$iris" 0775
directory sandbox/mlflow "$iris:$iris" 0755
of_one_user sandbox/mlflow/postgres "$postgres" 0700
of_one_user sandbox/mlflow/s3 "$storage" 0700
of_one_user sandbox/mlflow/rustfs "$storage" 0700

directory secrets 0:0 0711
directory secrets/iris "$iris:$iris" 0700
directory secrets/postgres "$postgres:$postgres" 0700
directory secrets/storage "$storage:$storage" 0700
directory secrets/mlflow "$mlflow:$mlflow" 0700
directory secrets/serving "$iris:$iris" 0700

secret iris/iris_password "$iris" 32
secret postgres/postgres_password "$postgres" 40
secret storage/s3_access_key "$storage" 20
secret storage/s3_secret_key "$storage" 40
secret serving/gateway_password "$iris" 40
same iris/gateway_password serving/gateway_password "$iris"
same mlflow/postgres_password postgres/postgres_password "$mlflow"
same mlflow/s3_access_key storage/s3_access_key "$mlflow"
same mlflow/s3_secret_key storage/s3_secret_key "$mlflow"

# From here on not even their readers change them.
for place in iris postgres storage mlflow serving; do chmod 0500 "$dur/secrets/$place"; done

echo "prepare.sh: $dur is ready"
