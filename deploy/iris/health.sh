#!/bin/bash
# Health of the container: start-up has ended well and the production runs, says CT.Health.
# The rc of a session says nothing; what counts are the last characters it printed.
set -uo pipefail

marker=${CT_HOME:-/dur}/log/ct.ready
if [[ ! -e $marker ]]; then
    echo "NOT READY: start-up has not ended well, $marker is missing; see ${marker%/*}/iris_autoconf.log"
    exit 1
fi

said=$(iris session IRIS -U "${IRIS_NAMESPACE:-IRISAPP}" '##class(CT.Health).Probe()' </dev/null 2>&1 | tr -d '\r')
# A last line break is not part of the answer, and $(...) has removed it.
printf '%s\n' "$said" | tail -n 1
[[ $said == *OK ]]
