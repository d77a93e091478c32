#!/usr/bin/env bash
# A run as tasks of a Slurm array, on a file system that all nodes share:
#   run=$(sbatch --parsable deploy/slurm.sh configs/oct-2025.yaml --paths 2_000_000)
#   sbatch --dependency="afterok:$run" --wrap "stress merge results/oct-2025-*"
# Tasks 5 and 7 of twenty again:  TASKS=20 sbatch --array=5,7 deploy/slurm.sh configs/oct-2025.yaml ...
#SBATCH --job-name=stress
#SBATCH --array=1-20
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=stress-%A_%a.log
set -euo pipefail

: "${SLURM_ARRAY_TASK_ID:?submit this script with sbatch, as an array that counts from 1}"
: "${1:?say which config to run: sbatch deploy/slurm.sh configs/oct-2025.yaml}"

# The signal is for `stress`, which keeps its finished shards; this script lives on to ask for another turn.
trap : TERM

status=0
srun stress run "$@" --shard "$SLURM_ARRAY_TASK_ID/${TASKS:-$SLURM_ARRAY_TASK_COUNT}" \
  --threads "$SLURM_CPUS_PER_TASK" || status=$?

# 75: stopped from outside, by preemption or at the end of its time.
if [ "$status" -eq 75 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
