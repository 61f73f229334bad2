#!/bin/sh
#SBATCH --job-name=mlx-7666f0507e9b
#SBATCH --comment=7666f0507e9b2d38e9dee8b3a19b4379c41fe8b33413fdc329fcf115b2c76a65
#SBATCH --output=slurm.log
#SBATCH --open-mode=append
#SBATCH --export=ALL
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:4
#SBATCH --no-requeue
unset SLURM_EXPORT_ENV
export MLX_AGENT="$PWD/mlx"
command -v module >/dev/null 2>&1 || { path=$PATH; . /etc/profile; PATH=$PATH:$path; } >/dev/null 2>&1
if ! [ -s slurm_id ]; then echo "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}" >slurm_id.new && mv slurm_id.new slurm_id; fi
export MLX_SLURM_RESTARTS="${SLURM_RESTART_COUNT:-0}"
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
if getent hosts "$first" >/dev/null 2>&1; then
  MLX_MASTER_ADDR=$first
else
  MLX_MASTER_ADDR=$(scontrol -o show node "$first" | tr ' ' '\n' | sed -n 's/^NodeAddr=//p')
fi
export MLX_MASTER_ADDR
export MLX_NODES=2
tell() {
  srun --overlap --nodes=2 --ntasks=2 --ntasks-per-node=1 --mem=0 --export=ALL sh -c 'kill -s "$1" "$(cat "agent.$SLURM_NODEID.pid")"' sh "$1"
}
trap 'told=1; tell USR1' USR1
trap 'told=1; tell TERM' TERM
srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=4 --kill-on-bad-exit=1 --export=ALL sh -c 'echo $$ >"agent.$SLURM_NODEID.pid"; exec "$MLX_AGENT" agent run "$PWD"' &
agents=$!
while :; do
  told=
  wait "$agents"
  status=$?
  [ -n "$told" ] || exit "$status"
done
