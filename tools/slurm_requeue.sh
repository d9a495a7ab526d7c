#!/usr/bin/env bash
# Train under Slurm in a job that is requeued whenever it is preempted or
# its time is up, and goes on where it was:
#     sbatch --partition=P --nodes=4 --time=24:00:00 tools/slurm_requeue.sh \
#         CONFIG --work-dir OUT [ARGUMENTS OF train.py ...]
# Five minutes before the end all ranks are asked to finish their step, save
# and leave; the file OUT/preempted says that they did. The processes of a
# node have 96 cores together, or sbatch's --cpus-per-task.
#
#SBATCH --job-name=ccmim
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:8
#SBATCH --cpus-per-task=96
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@300
set -euo pipefail

work_dir=
# The last one given, as train.py has it.
for ((i = 1; i <= $#; i++)); do
    next=$((i + 1))
    case ${!i} in
        --work-dir) work_dir=${!next-} ;;
        --work-dir=*) work_dir=${!i#*=} ;;
    esac
done
# train.py takes it so, and the shell leaves it in --work-dir=~/x.
[[ $work_dir == '~' || $work_dir == '~/'* ]] && work_dir=$HOME${work_dir:1}
if [[ -z $work_dir ]]; then
    echo "usage: sbatch [OPTIONS] $0 CONFIG --work-dir OUT [...]" >&2
    exit 2
fi
# Slurm runs a copy of this file; the job starts where it was submitted.
# TOOLS says where the launchers are if not in a clone: of a wheel
# $(python -c 'import ccmim_mm; print(ccmim_mm.__path__[0])')/.mim/tools
tools=${TOOLS:-tools}
if [[ ! -f $tools/dist_train.sh ]]; then
    echo "error: no $tools/dist_train.sh: submit from the root of a clone, or set TOOLS" >&2
    exit 2
fi
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR NNODES=${SLURM_NNODES:-1} PORT=${PORT:-29500}

# Of an earlier stop; a start that fails is not to be requeued for it.
rm -f "$work_dir/preempted"
# Each node's rank is known inside the job alone.
# shellcheck disable=SC2016
start='
export NODE_RANK=$SLURM_NODEID
exec bash "$0/dist_train.sh" "$1" "${GPUS_PER_NODE:-8}" "${@:2}"
'
# Since Slurm 22.05 it does not take the job's cores by itself.
srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-96}" \
    bash -c "$start" "$tools" "$@" --resume &
step=$!
trap 'scancel --signal=USR1 "$SLURM_JOB_ID.0" || kill -USR1 "$step"' USR1
code=0
wait "$step" || code=$?
# The trap ends a wait; the step goes on until it has saved.
while kill -0 "$step" 2>/dev/null; do
    code=0
    wait "$step" || code=$?
done
if [[ -f $work_dir/preempted ]]; then
    echo "$(cat "$work_dir/preempted"): requeueing"
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
