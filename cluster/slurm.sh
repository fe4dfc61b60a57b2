#!/usr/bin/env bash
# A sweep on whole Slurm nodes: sbatch cluster/slurm.sh SWEEP [options of fsm-icl tune], from a checkout that all nodes
# see. At the time limit the job puts itself back into the queue, and the same command goes on. Other nodes:
# SBATCH_GPUS_PER_NODE=4 sbatch --nodes=8 cluster/slurm.sh ... (the variable comes before the line below).
#SBATCH --job-name=fsm-icl
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=1
#SBATCH --mem=0
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
umask 077
cd "$SLURM_SUBMIT_DIR"
source .venv/bin/activate

# The head's address, not its name: a name may stand for 127.0.1.1 on the head itself.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(getent ahostsv4 "$head" | awk '$1 !~ /^127\./ {print $1; exit}')
[ -n "$address" ] || { echo "error: $head has no IPv4 address but a loopback one" >&2; exit 2; }
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export RAY_gcs_rpc_server_reconnect_timeout_s=20 # seconds that nodes wait for a lost head; the default of 60 s is paid for, too
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds; Python from a shared file system starts slowly
export RAY_TMPDIR=/tmp/fsm-$SLURM_JOB_ID # short: Ray's sockets lie below it
fsm-icl cluster token

requeue() {
  echo "the time limit is near: back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
}
trap requeue USR1
trap 'srun --overlap --kill-on-bad-exit=0 rm -rf "$RAY_TMPDIR" || true' EXIT

# bash hears USR1 only while it waits, so srun runs beside it. symmetric-run ends with `ray stop`: hence --exclusive.
srun --kill-on-bad-exit=0 mkdir -p "$RAY_TMPDIR"
gpus=${SLURM_GPUS_ON_NODE:-} # of each; where Slurm does not count them, Ray does
srun ray symmetric-run --address "$address:$((20000 + SLURM_JOB_ID % 10000))" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --disable-usage-stats ${gpus:+--num-gpus=$gpus} -- \
  python -m fsm_icl.tune "${@:-spectrum}" --address auto &
wait $!
