#!/bin/bash
# Brings the instance to this release, at every start of the container (iris-main --after).
#
# Every step may run again without harm. The first step that fails ends it with a message that names
# the step; then the readiness marker, written last, is missing and the container stays unhealthy.
# Nothing is trained here and no rows are read. Answers of all steps: dur/log/iris_autoconf.log.
set -euo pipefail

namespace=${IRIS_NAMESPACE:-IRISAPP}
home=${CT_HOME:-/dur}
code=${CT_CODE:-/opt/ct}
data=${ISC_DATA_DIRECTORY:-/dur/iconfig}
packages=${CT_PACKAGES:-/usr/irissys/mgr/python}
# Longest that one step may take; compiling all classes on a slow disk takes minutes.
limit_s=${CT_STEP_SECONDS:-900}

production=CT.Production
marker=$home/log/ct.ready
log=$home/log/iris_autoconf.log

export IRISNAMESPACE=$namespace

say() {
    local line
    line="$(date -u +%Y-%m-%dT%H:%M:%SZ) iris_autoconf: $1"
    echo "$line"
    echo "$line" >>"$log" || true
}

# fail STEP REASON
fail() {
    say "FAILED in step '$1': $2 ${hint:-}" >&2
    say "Not ready. Mend it and restart the container; all answers are in $log." >&2
    exit 1
}

# step NAME COMMAND...: runs it, keeps what it prints in $answer; a printed error counts as one.
step() {
    local name=$1 rc=0
    shift
    say "$name"
    answer=$(timeout --kill-after=30 "$limit_s" "$@" 2>&1) || rc=$?
    printf '%s\n' "$answer" >>"$log"
    case $rc in
        0) ;;
        124 | 137) fail "$name" "no end after $limit_s s. $(last_lines)" ;;
        *) fail "$name" "exit code $rc. $(last_lines)" ;;
    esac
    if grep -qE '(^|[^A-Za-z])ERROR #[0-9]+|^Error: |^<[A-Z ]+>|^Traceback ' <<<"$answer"; then
        fail "$name" "$(last_lines)"
    fi
}

last_lines() {
    tail -n 5 <<<"$answer" | tr '\n' ' '
}

# status NAME EXPRESSION [HINT]: an expression that gives a %Status. A session ends with 0 even after an
# error, so the line says at its end that it got there; the words are joined so that an echo of the
# line is not taken for it.
status() {
    local hint=${3:-}
    step "$1" iris session IRIS -U "$namespace" <<END
try { set sc = $2 } catch error { set sc = error.AsStatus() } if \$system.Status.IsError(sc) { do \$system.Status.DisplayError(sc) zhalt 1 } else { write !,"CT step"_" done",! }
halt
END
    grep -q 'CT step done' <<<"$answer" ||
        fail "$1" "the session ended before its end was reached. $(last_lines)"
}

# production_state STEP: sets $state (1 running, 2 stopped, 3 suspended, 4 troubled) and $running.
production_state() {
    step "$1" iris session IRIS -U "$namespace" <<'END'
try { set sc = ##class(Ens.Director).GetProductionStatus(.name,.state) } catch error { set sc = error.AsStatus() } if $system.Status.IsError(sc) { do $system.Status.DisplayError(sc) zhalt 1 } else { write !,"CT state"_"="_state_"="_name_"=",! }
halt
END
    local said
    said=$(grep -oE 'CT state=[0-9]+=[^=]*=' <<<"$answer" | tail -n 1) ||
        fail "$1" "the session did not say the state of the production. $(last_lines)"
    IFS='=' read -r _ state running _ <<<"$said"
}

# refuse_another STEP: a namespace runs one production. Any state but stopped (2) is in the way.
refuse_another() {
    [[ $state == 2 || -z $running || $running == "$production" ]] ||
        fail "$1" "expected $production or none, but $running is in state $state in $namespace. Stop it (iop --stop), or give $production a namespace of its own."
}

rm -f "$marker"
: >"$log" || fail "log" "$log cannot be written by user $(id -u): docker compose run --rm prepare"

step "Say the release" ct --version
release=$(tail -n 1 <<<"$answer")

# Packages that were installed into the durable directory once would hide those of a newer image.
hidden=$data/mgr/python
if [[ -d $hidden/iris_ct && ! $hidden -ef $packages ]]; then
    diff -rq -x __pycache__ "$hidden/iris_ct" "$packages/iris_ct" >>"$log" 2>&1 ||
        fail "Look for one copy of the product" "$hidden/iris_ct differs from the image's $packages/iris_ct. Remove $hidden/iris_ct and $hidden/iris_ct-*.dist-info."
fi

# The words in quotes are ObjectScript, not the shell's.
# shellcheck disable=SC2016
status "Call embedded Python" \
    '$select(##class(%SYS.Python).Import("builtins").len("abc")=3:$isobject(##class(%SYS.Python).Import("iris_ct")),1:$system.Status.Error(5001,"Python does not count to three"))' \
    "Does namespace $namespace exist, and does embedded Python run on this machine? docs/deployment.md names known cases."
# Before anything is made in a namespace that may be somebody else's.
production_state "Look for another production"
refuse_another "Look for another production"
status "Look for another auto-start" "\$select((\$get(^Ens.AutoStart)=\"\")!(\$get(^Ens.AutoStart)=\"$production\"):1,1:\$system.Status.Error(5001,\$get(^Ens.AutoStart)_\" starts with the instance\"))" \
    "A namespace has one production that starts by itself: give $production one of its own, or call ##class(Ens.Director).SetAutoStart(\"\")."
status "Load the classes" "\$system.OBJ.LoadDir(\"$code/cls\",\"ck\",.errors,1)"
step "Load the classes of iop" iop --init --force-local </dev/null
step "Write the production" iop --migrate "$code/python/settings.py" --force-local </dev/null
status "Set up tables, roles, tasks and logging" '##class(CT.Setup).Run(1)'
step "Name the default production" iop --default "$production" --force-local </dev/null

production_state "Ask for the production"
refuse_another "Ask for the production"
case $state in
    1)
        # Auto-start was quicker than this script; what the steps above have changed is taken over.
        status "Update the production" '##class(Ens.Director).UpdateProduction()'
        ;;
    4)
        status "Recover the production" '##class(Ens.Director).RecoverProduction()'
        status "Start the production" "##class(Ens.Director).StartProduction(\"$production\")"
        ;;
    *)
        status "Start the production" "##class(Ens.Director).StartProduction(\"$production\")"
        ;;
esac

production_state "See it run"
[[ $state == 1 && $running == "$production" ]] ||
    fail "See it run" "expected $production in state 1 (running), found '$running' in state $state. Look at: iop --log 50"

# From now on the accounts keep their passwords (deploy/iris/entrypoint.sh).
touch "$data/ct.initialised" || fail "Remember the first start" "$data cannot be written"

say "$production of release $release runs in $namespace"
printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$release" >"$marker.new"
mv "$marker.new" "$marker"
