#!/usr/bin/env bash
# Judge a checkpoint in N processes, one a GPU:
#     bash tools/dist_test.sh CONFIG CHECKPOINT N [ARGUMENTS OF test.py ...]
# For several machines see dist_run.sh.
set -euo pipefail

if (($# < 3)); then
    echo "usage: bash $0 CONFIG CHECKPOINT N [ARGUMENTS OF test.py ...]" >&2
    exit 2
fi
exec bash "$(dirname "$0")/dist_run.sh" test.py "$3" "$1" "$2" "${@:4}"
