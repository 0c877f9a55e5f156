#!/bin/bash
# What iris-main calls when IRIS is up (--after): the start script, and an end that is always well.
#
# What iris-main does when this program fails is not documented; were it to end the container, the
# restart policy would start it over and over. So IRIS stays up to be looked at, and the marker that
# is missing keeps the container unhealthy. By hand call iris_autoconf.sh: its code tells.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
"$here/iris_autoconf.sh" ||
    echo "after.sh: start-up ended with code $?; IRIS stays up, unhealthy. After mending: docker compose restart iris" >&2
exit 0
