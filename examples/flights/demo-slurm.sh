#!/usr/bin/env bash
# Train the model of the demo on a Slurm cluster: two nodes on this machine, started for it by .ci/slurm and stopped at the end.
#
# Needs bin/mlx (make build), git, Python 3.11 or newer, and root, or Debian's packages slurm-wlm and munge with the right to
# start them. Works in a temporary folder, which is removed at the end unless KEEP=1. Every step is checked.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

python=$("$root/.ci/python" "$here/requirements.txt")
work=$(mktemp -d)
export WORKDIR=$work
trap '"$root/.ci/slurm" down || true; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT

for name in ${!MLX_*} ${!GIT_*}; do unset "$name"; done # nothing of the user's own settings may change the story
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 XDG_CONFIG_HOME=$work/config
export PATH=$root/bin:$(dirname "$python"):$PATH

say() {
  echo
  printf '# %s\n' "$@"
}
show() { # COMMAND…: print it, run it; it must succeed
  printf '$ %s\n' "$(printf '%s ' "${@@Q}" | sed -E "s/'([A-Za-z0-9_.,:=~@/-]+)'/\1/g; s/ \$//")"
  "$@"
}
wrong() {
  echo "demo: $*" >&2
  exit 1
}

"$root/.ci/slurm" up
variables=$("$root/.ci/slurm" env)
eval "$variables"
export SLURM_CONF=$MLX_TEST_SLURM
cd "$work"
git init -q -b main flights
cd flights
git config user.name Demo
git config user.email demo@example.org
cp "$here"/{prepare.py,train.py,requirements.txt,.gitignore} .

say "A cluster: two nodes with two GPUs each."
show sinfo -p gpu -N -o '%N %c %G %T'
say "The project says what it is called. This machine is its login node; host: names another, as in your ssh configuration."
cat >mlx.yaml <<C
backends:
  slurm:
    type: slurm
    dir: $work/node
    queue: gpu
    setup: ['export PATH=$(dirname "$python"):\$PATH']
C
show mlx init
show mlx trust -y
show python prepare.py data/flights 1 2 3
show mlx snapshot data/flights -m "January to March"
git add -A
git commit -qm "first quarter"

say "What would be sent, and the script that Slurm would get: --dry-run."
show mlx run --on slurm --gpus 1 --time 10m -d data/flights -p depth=6 -o model.pkl --dry-run python train.py

say "The same training as in the demo, there: its output comes live, its model comes back, the record says all as if it had run here."
show mlx run --on slurm --gpus 1 --time 10m -d data/flights -p depth=6 -o model.pkl python train.py
[ -s model.pkl ] || wrong "the model did not come back"

say "Again, in the background."
show mlx run --on slurm --gpus 1 -d data/flights -p depth=4 -o model.pkl --detach python train.py
show mlx job list
show mlx job wait @last

say "Both are ordinary runs."
show mlx log -k run
show mlx lineage @last
say "Done."
