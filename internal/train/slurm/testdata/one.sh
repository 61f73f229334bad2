#!/bin/sh
#SBATCH --job-name=mlx-7666f0507e9b
#SBATCH --comment=7666f0507e9b2d38e9dee8b3a19b4379c41fe8b33413fdc329fcf115b2c76a65
#SBATCH --output=slurm.log
#SBATCH --open-mode=append
#SBATCH --export=ALL
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:h100:2
#SBATCH --mem=3073M
#SBATCH --time=91
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=B:USR1@91
#SBATCH --account=physics
#SBATCH --qos=long
#SBATCH -t 10
export A='1'
export B='it'\''s $HOME'
unset SLURM_EXPORT_ENV
export MLX_AGENT="$PWD/mlx"
if ! [ -s slurm_id ]; then echo "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}" >slurm_id.new && mv slurm_id.new slurm_id; fi
export MLX_SLURM_RESTARTS="${SLURM_RESTART_COUNT:-0}"
exec "$MLX_AGENT" agent run "$PWD"
