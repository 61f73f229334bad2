#!/bin/sh
#SBATCH --job-name=mlx-7666f0507e9b
#SBATCH --comment=key
#SBATCH --output=task-%a.log
#SBATCH --open-mode=append
#SBATCH --export=ALL
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
#SBATCH --array=0-2,5,7-8
#SBATCH --no-requeue
unset SLURM_EXPORT_ENV
export MLX_AGENT="$PWD/mlx"
task=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" tasks)
ln -sf "$PWD/task-$SLURM_ARRAY_TASK_ID.log" "$task/slurm.log"
cd "$task" || exit 1
if ! [ -s slurm_id ]; then echo "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}" >slurm_id.new && mv slurm_id.new slurm_id; fi
export MLX_SLURM_RESTARTS="${SLURM_RESTART_COUNT:-0}"
exec "$MLX_AGENT" agent run "$PWD"
