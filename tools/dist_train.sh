#!/usr/bin/env bash
# Train in N processes, one a GPU:
#     bash tools/dist_train.sh CONFIG N [ARGUMENTS OF train.py ...]
# For several machines see dist_run.sh.
set -euo pipefail

if (($# < 2)); then
    echo "usage: bash $0 CONFIG N [ARGUMENTS OF train.py ...]" >&2
    exit 2
fi
exec bash "$(dirname "$0")/dist_run.sh" train.py "$2" "$1" "${@:3}"
