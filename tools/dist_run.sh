#!/usr/bin/env bash
# Start N processes of a tool under torchrun; dist_train.sh and dist_test.sh
# call it.
#
#     bash tools/dist_run.sh TOOL N [ARGUMENTS OF THE TOOL ...]
#
# Several machines: run the same line on each, with NNODES, NODE_RANK,
# MASTER_ADDR and PORT in the environment. One machine picks a free port.
# With MAX_RESTARTS=3, say, a rank that dies brings all of them back, on all
# machines, that often, from the newest checkpoint. Then machines are ranked
# by their host names, not by NODE_RANK, and reach each other under these;
# PET_LOCAL_ADDR is another address of a machine. Asked to stop (SIGTERM,
# Ctrl-C) all save and it exits with 75; torchrun gives them 30 seconds.
set -euo pipefail

tool=$1
processes=$2
shift 2
# Nothing has begun yet; the launcher takes over.
trap 'exit 75' TERM INT USR1
tools=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}

if ! [[ $processes =~ ^[1-9][0-9]*$ ]]; then
    echo "error: the number of processes must be 1 or more, got" \
        "'$processes'" >&2
    exit 2
fi
cpu=0
for argument in "$@"; do
    [[ $argument == --device=cpu ]] && cpu=1
done
[[ " $* " == *' --device cpu '* ]] && cpu=1
gpus=0
if ((!cpu)); then
    gpus=$("$python" -c 'import torch; print(torch.cuda.device_count())')
fi
if ((gpus && processes > gpus)); then
    echo "error: $processes processes for $gpus GPUs: start $gpus, or add" \
        "--device cpu" >&2
    exit 2
fi
if ((!gpus)); then
    # torchrun would give each process a single thread.
    threads=$(($(nproc) / processes))
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}
    echo "No GPU: $processes processes on the CPU," \
        "$OMP_NUM_THREADS thread(s) each"
fi

if ((${NNODES:-1} > 1)); then
    rendezvous=(
        --nnodes="$NNODES"
        --node_rank="${NODE_RANK:?set NODE_RANK, from 0 to NNODES - 1}"
        --master_addr="${MASTER_ADDR:?set MASTER_ADDR to the first machine}"
        --master_port="${PORT:-29500}"
    )
    if ((${MAX_RESTARTS:-0})); then
        # Those above have torchrun keep one store for all restarts, where
        # new ranks would find the addresses of dead ones. Machines may be
        # ten minutes late, as there.
        rendezvous=(
            --nnodes="$NNODES" --rdzv-backend=c10d
            --rdzv-endpoint="$MASTER_ADDR:${PORT:-29500}"
            --rdzv-id="${SLURM_JOB_ID:-ccmim}"
            --rdzv-conf="is_host=$((NODE_RANK == 0)),read_timeout=600"
        )
    fi
else
    rendezvous=(--standalone)
fi
# So that no store is kept for all restarts here either.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
# For the ranks, which listen to it; torchrun would die of it.
trap '' USR1
exec "$python" "$tools/launch.py" "${rendezvous[@]}" \
    --max-restarts="${MAX_RESTARTS:-0}" --nproc_per_node="$processes" \
    "$tools/$tool" "$@" --launcher pytorch
