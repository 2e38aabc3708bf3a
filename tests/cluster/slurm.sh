#!/bin/bash
# A real Slurm on this machine alone, as root, in one folder: munge, MariaDB, slurmdbd, slurmctld and a slurmd for each of
# the nodes cpu1, cpu2 and gpu1 (which pretends to have two GPUs), all on the loopback interface. Debian packages:
# slurm-wlm slurmdbd munge mariadb-server.
#   slurm.sh up FOLDER     start what does not run; /etc/slurm/slurm.conf becomes a link to its configuration
#   slurm.sh down FOLDER   end it
set -euo pipefail
state=$(mkdir -p "$2" && cd "$2" && pwd)
host=$(hostname -s)
nodes="cpu1 cpu2 gpu1"
cores=$(($(nproc) > 4 ? $(nproc) : 4)) # of each node, so many as a rule asks for; pretended on a smaller machine
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
export SLURM_CONF=$state/slurm.conf
munge=$state/munge/socket
database="mariadb --socket=$state/mariadb/socket"

alive() { [ -s "$state/$1.pid" ] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null; }
wait_for() { # SECONDS COMMAND...
    local tries=$(($1 * 5)); shift
    for _ in $(seq "$tries"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done
    echo "gave up waiting for: $*" >&2; return 1
}
start() { # NAME COMMAND...: of a daemon that writes $state/NAME.pid
    local name=$1; shift
    alive "$name" || setsid "$@" </dev/null >>"$state/log/$name.out" 2>&1 &
    wait_for 30 alive "$name"
}

if [ "$1" = down ]; then
    scancel --user=root || true
    for name in $(printf 'slurmd-%s ' $nodes) slurmctld slurmdbd mariadb munged; do
        if alive $name; then pid=$(cat "$state/$name.pid"); kill "$pid"; wait_for 30 sh -c "! kill -0 $pid"; fi
    done
    [ "$(readlink /etc/slurm/slurm.conf)" != "$SLURM_CONF" ] || rm /etc/slurm/slurm.conf
    exit 0
fi

[ ! -e /etc/slurm/slurm.conf ] || [ "$(readlink /etc/slurm/slurm.conf)" = "$SLURM_CONF" ] ||
    { echo "this machine has a Slurm already: /etc/slurm/slurm.conf" >&2; exit 1; }
install -d /etc/slurm && ln -sfn "$SLURM_CONF" /etc/slurm/slurm.conf # where `srun` in a job looks

getent hosts "$host" >/dev/null || echo "127.0.0.1 $host" >>/etc/hosts
chmod 755 "$state"
install -d -o munge -g munge -m 755 "$state/munge"
install -d -o slurm -g slurm "$state/ctld"
install -d -o mysql -g mysql "$state/mariadb"
install -d -m 777 "$state/log"
for node in $nodes; do install -d "$state/spool-$node"; done

[ -s "$state/munge/key" ] || head -c 128 /dev/urandom >"$state/munge/key"
chown munge:munge "$state/munge/key" && chmod 600 "$state/munge/key"
touch "$state/munged.pid" "$state/mariadb.pid" && chown munge "$state/munged.pid" && chown mysql "$state/mariadb.pid"
alive munged || runuser -u munge -- munged --force --key-file="$state/munge/key" --socket="$munge" \
    --pid-file="$state/munge/pid" --log-file="$state/munge/log" --seed-file="$state/munge/seed"
wait_for 10 munge -n --socket="$munge"
cp "$state/munge/pid" "$state/munged.pid"

[ -d "$state/mariadb/mysql" ] || mariadb-install-db --no-defaults --user=mysql --datadir="$state/mariadb" >/dev/null
start mariadb mariadbd --no-defaults --user=mysql --datadir="$state/mariadb" --socket="$state/mariadb/socket" \
    --bind-address=127.0.0.1 --port=17306 --pid-file="$state/mariadb.pid" --innodb-lock-wait-timeout=900
wait_for 30 $database -e "SELECT 1"
$database -e "CREATE DATABASE IF NOT EXISTS slurm_acct_db;
    CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'slurm'; GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
    CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED BY 'slurm'; GRANT ALL ON slurm_acct_db.* TO slurm@localhost;"

cat >"$state/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$munge
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=17819
SlurmUser=slurm
PidFile=$state/slurmdbd.pid
LogFile=$state/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=17306
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
CONF
chown slurm:slurm "$state/slurmdbd.conf" && chmod 600 "$state/slurmdbd.conf"
cat >"$state/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17817
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$munge
MailProg=/bin/true
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/spool-%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd-%n.pid
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdLogFile=$state/log/slurmd-%n.log
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdTimeout=15
KillWait=2
SlurmdParameters=config_overrides
MinJobAge=300
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=17819
AccountingStoragePass=$munge
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
AccountingStorageEnforce=associations,limits
GresTypes=gpu
NodeName=DEFAULT CPUs=$cores RealMemory=$memory State=UNKNOWN
NodeName=cpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001
NodeName=cpu2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002
NodeName=gpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17003 Gres=gpu:2
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=1-00:00:00 DefaultTime=00:10:00
PartitionName=gpu Nodes=gpu1 MaxTime=1-00:00:00 DefaultTime=00:10:00
CONF
echo "NodeName=gpu1 Name=gpu File=/dev/tty[0-1]" >"$state/gres.conf"
printf '%s\n' CgroupAutomount=no ConstrainCores=$([ "$cores" = "$(nproc)" ] && echo yes || echo no) ConstrainRAMSpace=yes ConstrainSwapSpace=no >"$state/cgroup.conf"
[ ! -d /sys/fs/cgroup/memory ] || echo "CgroupPlugin=cgroup/v1" >>"$state/cgroup.conf"

touch "$state/slurmdbd.pid" "$state/slurmctld.pid" && chown slurm "$state/slurmdbd.pid" "$state/slurmctld.pid"
start slurmdbd slurmdbd
wait_for 20 sh -c '! timeout 5 sacctmgr -n show cluster 2>&1 | grep -q error'
sacctmgr -n -i add cluster test >/dev/null 2>&1 || true
sacctmgr -n -i add account lab cluster=test >/dev/null 2>&1 || true
sacctmgr -n -i add user root account=lab cluster=test >/dev/null 2>&1 || true
start slurmctld slurmctld
wait_for 30 sh -c 'scontrol ping | grep -q UP'
for node in $nodes; do start slurmd-$node slurmd -N $node; done
wait_for 30 sh -c '! sinfo -h -o %T | grep -vE "^(idle|mixed|allocated)$"'
sinfo -N -o '%N %P %T %c %m %G'
