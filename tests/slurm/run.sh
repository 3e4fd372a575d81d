#!/usr/bin/env bash
# Starts a Slurm of one node in a directory, as root, runs a batch script in it from the current directory, and stops
# it again. Fails if a task of it does.
#   tests/slurm/run.sh DIRECTORY SCRIPT
set -euo pipefail

mkdir -p "$1"
readonly at=$(realpath "$1") script=$2
readonly node=$(hostname -s) patience_s=30
export PATH=$PATH:/usr/sbin SLURM_CONF=$at/slurm.conf

mkdir -p "$at/state" "$at/spool"
chmod 755 "$at" # munged asks for it
pids=()
stop() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
}
trap stop EXIT

fail() {
  echo "run.sh: $*" >&2
  tail -n 5 "$at"/*.log >&2
  exit 1
}

# until_works COMMAND...
until_works() {
  local i
  for ((i = 0; i < patience_s * 20; ++i)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.05
  done
  fail "$* does not work after $patience_s s"
}

free_port() {
  local port
  for ((port = 20000 + $$ % 20000; ; ++port)); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  done
  echo "$port"
}
readonly port=$(free_port)

cat >"$SLURM_CONF" <<END
ClusterName=specdec
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 20001))
SlurmUser=root
AuthInfo=socket=$at/munge.socket
StateSaveLocation=$at/state
SlurmdSpoolDir=$at/spool
SlurmctldPidFile=$at/slurmctld.pid
SlurmdPidFile=$at/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc)
PartitionName=all Nodes=ALL Default=YES State=UP
END

(umask 077 && head -c 1024 /dev/urandom >"$at/munge.key")
munged --foreground --force --socket="$at/munge.socket" --key-file="$at/munge.key" --seed-file="$at/munge.seed" \
  --pid-file="$at/munged.pid" --log-file="$at/munged.log" >"$at/munged.log" 2>&1 &
pids+=($!)
until_works munge --socket="$at/munge.socket" --no-input
slurmctld -D -i >"$at/slurmctld.log" 2>&1 &
pids+=($!)
until_works scontrol ping
slurmd -D -N "$node" >"$at/slurmd.log" 2>&1 &
pids+=($!)
is_idle() { [ "$(sinfo --noheader --format=%T)" = idle ]; }
until_works is_idle

job=$(sbatch --parsable --output="$at/job-%a.out" "$script")
readonly job
while [ -n "$(squeue --noheader --jobs="$job")" ]; do sleep 0.1; done # sbatch --wait looks less often
scontrol --oneliner show job "$job" | grep -o ' ExitCode=[0-9]*:[0-9]*' | sort -u >"$at/exit_codes"
[ "$(cat "$at/exit_codes")" = " ExitCode=0:0" ] || fail "tasks ended with$(tr '\n' ' ' <"$at/exit_codes")"
