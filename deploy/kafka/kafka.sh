#!/usr/bin/env bash
# A single-node Apache Kafka (KRaft) on loopback, without Docker.
#
#   deploy/kafka/kafka.sh start|stop|status|fetch
#
# Needs Java 17 or later; Maven only for fetching the jars, once. Settings, by environment:
#   VTA_KAFKA_DIR              its folder: data, log, PID file     (default: .kafka in the repository)
#   VTA_KAFKA_PORT             the port that clients use           (default: 9092)
#   VTA_KAFKA_CONTROLLER_PORT  the port of the KRaft controller    (default: the port after that)
#   VTA_KAFKA_HEAP             the heap                            (default: 512m)
#   VTA_KAFKA_CACHE            where the jars are kept             (default: .cache/kafka in the repository)
#   VTA_KAFKA_PARENT           a PID: stop when that process ends  (default: none)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=$(realpath -m "${VTA_KAFKA_DIR:-$root/.kafka}")
port=${VTA_KAFKA_PORT:-9092}
controller_port=${VTA_KAFKA_CONTROLLER_PORT:-$((port + 1))}
heap=${VTA_KAFKA_HEAP:-512m}
cache=$(realpath -m "${VTA_KAFKA_CACHE:-$root/.cache/kafka}")
parent=${VTA_KAFKA_PARENT:-}
libs=$cache/libs
pid_file=$dir/kafka.pid
address=127.0.0.1:$port

die() {
  echo "kafka: $*" >&2
  exit 1
}

need_java() {
  local install='On Debian: apt-get install openjdk-17-jre-headless maven'
  command -v java >/dev/null || die "Java 17 is needed and there is no java. $install"
  local version
  version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge 17 ] || die "Java 17 or later is needed, and java is version ${version:-unknown}. $install"
}

# The jars are whole when the stamp holds the checksum of the pom.xml that asked for them.
fetch() {
  local wanted
  wanted=$(sha256sum <"$here/pom.xml" | cut -d ' ' -f 1)
  mkdir -p "$cache"
  exec 8>"$cache/lock"
  flock 8
  if [ "$(cat "$libs/stamp" 2>/dev/null)" != "$wanted" ]; then
    command -v mvn >/dev/null || die "Maven is needed to fetch Kafka and there is no mvn. On Debian: apt-get install maven"
    echo "kafka: fetching the jars with Maven (44 MB, once)"
    rm -rf "$libs"
    mvn -B -ntp -q -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" ||
      die "Maven could not fetch the jars, see above. Check the network, or Maven's settings.xml for your mirror."
    echo "$wanted" >"$libs/stamp"
  fi
  exec 8>&-
}

# The PID of our broker, or nothing. A PID file can outlive its process and the number can be taken again.
running() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qx "$dir/server.properties" || return 1
  echo "$pid"
}

# True if a metadata request (version 1, no topics) is answered and names at least one broker.
answers() {
  local answer
  answer=$( (
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf '\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\0\0\0\0' >&3
    timeout 2 head -c 12 <&3 | od -An -tu1 | tr -s ' \n' ' '
  ) 2>/dev/null) || return 1
  [[ $answer =~ ^\ ([0-9]+\ ){8}0\ 0\ 0\ [1-9] ]]
}

configure() {
  mkdir -p "$dir"
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://$address,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://$address
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
# Topics come from their contracts (vta-stream topics apply), never from a typo.
auto.create.topics.enable=false
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=8
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=33554432
PROPERTIES
}


format() {
  [ -e "$dir/data/meta.properties" ] && return
  local cluster
  cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  # A UUID that starts with a dash would be read as an option.
  cluster=k${cluster:1}
  java -Xmx128m -XX:TieredStopAtLevel=1 -Dvta.kafka.log="$dir/kafka.log" \
    -Dlog4j2.configurationFile="$here/log4j2.xml" -cp "$libs/*" \
    kafka.tools.StorageTool format -t "$cluster" -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
    die "the storage could not be formatted: $(tail -n 5 "$dir/format.log")"
}

# Stops the broker when the process $parent has gone, however it went.
watch_parent() {
  local pid=$1
  while kill -0 "$parent" 2>/dev/null && running >/dev/null; do sleep 2; done
  [ "$(running)" = "$pid" ] && kill "$pid"
}

start() {
  mkdir -p "$dir"
  exec 9>"$dir/start.lock"
  flock 9
  local pid
  if pid=$(running); then
    echo "kafka: runs already on $address (PID $pid)"
    return
  fi
  need_java
  fetch
  for taken in "$port" "$controller_port"; do
    (exec 3<>"/dev/tcp/127.0.0.1/$taken") 2>/dev/null &&
      die "port $taken is taken by another process; choose another with VTA_KAFKA_PORT"
  done
  configure
  format
  # A session of its own, so that Ctrl-C in the terminal that started it does not reach it.
  setsid java -Xms128m -Xmx"$heap" -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true \
    -Dvta.kafka.log="$dir/kafka.log" -Dlog4j2.configurationFile="$here/log4j2.xml" -cp "$libs/*" \
    kafka.Kafka "$dir/server.properties" >"$dir/console.log" 2>&1 </dev/null 8>&- 9>&- &
  pid=$!
  echo "$pid" >"$pid_file"
  disown
  for _ in $(seq 300); do
    if answers; then
      echo "kafka: ready on $address (PID $pid, folder $dir)"
      if [ -n "$parent" ]; then
        watch_parent "$pid" >/dev/null 2>&1 </dev/null 8>&- 9>&- &
        disown
      fi
      return
    fi
    kill -0 "$pid" 2>/dev/null || die "ended while it started: $(tail -n 5 "$dir/console.log" "$dir/kafka.log" 2>&1)"
    sleep 0.2
  done
  kill "$pid"
  die "did not answer within a minute; see $dir/kafka.log"
}

stop() {
  local pid
  if ! pid=$(running); then
    rm -f "$pid_file"
    echo "kafka: does not run"
    return
  fi
  kill "$pid"
  for _ in $(seq 150); do
    if ! running >/dev/null; then
      rm -f "$pid_file"
      echo "kafka: stopped; its data stay in $dir"
      return
    fi
    sleep 0.2
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$pid_file"
  echo "kafka: did not stop within 30 s and was killed; its data stay in $dir"
}

status() {
  local pid
  if pid=$(running) && answers; then
    echo "kafka: answers on $address (PID $pid, folder $dir)"
  elif [ -n "${pid:-}" ]; then
    die "runs (PID $pid) but does not answer on $address; see $dir/kafka.log"
  else
    die "does not run; start it with: make kafka"
  fi
}

case ${1:-} in
  start | stop | status) "$1" ;;
  fetch) need_java && fetch ;;
  *) die "usage: $0 start|stop|status|fetch" ;;
esac
