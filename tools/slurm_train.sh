#!/usr/bin/env bash
# Train under Slurm: one torchrun a node, GPUS_PER_NODE processes each.
#     NODES=4 bash tools/slurm_train.sh PARTITION JOB CONFIG \
#         [ARGUMENTS OF train.py ...]
# From the environment: NODES (1), GPUS_PER_NODE (8), CPUS_PER_TASK (all
# processes of a node together, 96), PORT (29500), SRUN_ARGS ().
set -euo pipefail

if (($# < 3)); then
    echo "usage: bash $0 PARTITION JOB CONFIG [ARGUMENTS OF train.py ...]" >&2
    exit 2
fi
partition=$1
job=$2
config=$3
shift 3
export NNODES=${NODES:-1} GPUS_PER_NODE=${GPUS_PER_NODE:-8}
export PORT=${PORT:-29500}
tools=$(cd "$(dirname "$0")" && pwd)

# The first node's name is known, and each node's rank set, inside the job.
# shellcheck disable=SC2016
start='
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR NODE_RANK=$SLURM_NODEID
exec bash "$0/dist_train.sh" "$1" "$GPUS_PER_NODE" "${@:2}"
'
# SRUN_ARGS holds several arguments on purpose.
# shellcheck disable=SC2086
exec srun --partition="$partition" --job-name="$job" --nodes="$NNODES" \
    --ntasks-per-node=1 --gres=gpu:"$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-96}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} bash -c "$start" "$tools" "$config" "$@"
