#!/bin/sh
# Runs the root file system that scripts/build-image.sh made as the DaemonSet would: read-only, no new privileges, three
# capabilities (none for the commands), in namespaces of its own with one interface; then, where buildah is there, its
# doctor under the seccomp filter of the containers tools, which is near a kubelet's RuntimeDefault; then real failures in
# the lab, each node this image, as the image's own user and as user 0. Needs root, iproute2, util-linux, nftables; prints
# what it tried, exit 1 at the first that failed.
#
#   scripts/try-image.sh [DIRECTORY]      what build-image.sh wrote; default: build/image
set -eu
SELF=$(readlink -f "$0")
ROOT=$(cd "$(dirname "$SELF")/.." && pwd -P)
FS=$(cd "${1:-$ROOT/build/image}/rootfs" && pwd -P)
if [ "${HOLDFAST_INSIDE:-}" = '' ]; then
  HOLDFAST_INSIDE=$(mktemp -d) && export HOLDFAST_INSIDE
  code=0
  unshare --mount --net --uts --pid --fork --kill-child --propagation private "$SELF" "${1:-$ROOT/build/image}" || code=$?
  rmdir "$HOLDFAST_INSIDE"
  unset HOLDFAST_INSIDE
  for user in 65532 0; do
    for scenario in claim crash cut drain; do
      [ "$code" = 0 ] || exit "$code"
      echo "try-image: lab --scenario $scenario, as user $user"
      HOLDFAST_IMAGE=$FS HOLDFAST_USER=$user "$ROOT/bin/holdfast" lab --program "$ROOT/scripts/in-image.sh" --scenario "$scenario" || code=$?
    done
  done
  exit "$code"
fi

AT=$HOLDFAST_INSIDE
. "$ROOT/scripts/image-root.sh"
mount_image_root "$FS" "$AT" etc/holdfast run/holdfast var/lib/holdfast

ip link set lo up
ip link add eth0 type veth peer name far
ip link set far up
ip link set eth0 up
ip address add 192.0.2.1/24 dev eth0
ip address add 2001:db8::1/64 dev eth0 nodad
hostname n1

cat >"$AT/etc/holdfast/config.yaml" <<'CONFIG'
node: n1
serve: none
serviceIPs:
  - ip: 192.0.2.100
  - ip: 2001:db8::100
heartbeat: {keyFile: /etc/holdfast/keys}
CONFIG

# An API server that stands in, for the mode in which the image will be run.
. "$ROOT/scripts/setup.sh"
"$NODE" "$ROOT/test/support/kube/stand-in-process.ts" --port 6443 >"$AT/dev/stand-in" &
cat >"$AT/etc/holdfast/cluster.yaml" <<'CONFIG'
cluster: kubernetes
kubernetes: {kubeconfig: /etc/holdfast/kubeconfig, namespace: holdfast-system}
heartbeat: {keyFile: /etc/holdfast/keys}
CONFIG
tries=0
until "$NODE" -e 'console.log(JSON.parse(fs.readFileSync(process.argv[1])).kubeconfig)' "$AT/dev/stand-in" \
  >"$AT/etc/holdfast/kubeconfig" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || exit 1
  sleep 0.5
done

enter() {
  enter_image "$AT" "$@"
}
inside() { (enter "$@"); }
NOBODY='65532 -all'
DAEMON='0 -all,+net_raw,+sys_nice,+ipc_lock'

say() {
  echo "try-image: $*"
}
fail() {
  say "FAILED: $*" >&2
  exit 1
}

# Runs the daemon with this configuration until it leads this address, then ends it as a kubelet does.
lead() {
  # shellcheck disable=SC2086
  enter $DAEMON /usr/local/bin/holdfast run --config "/etc/holdfast/$1" >"$AT/dev/log" 2>&1 &
  daemon=$!
  tries=0
  # shellcheck disable=SC2086
  until inside $DAEMON /usr/local/bin/holdfast status 2>/dev/null >"$AT/dev/status" && grep -q "$2 *leader" "$AT/dev/status"; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { cat "$AT/dev/log" "$AT/dev/status" && fail "$1: the daemon does not lead $2"; }
    sleep 0.5
  done
  ! grep -h '"code":"\(real-time\|memory-lock\)"' "$AT/dev/log" || fail 'a right for the wire thread is missing'
  kill -TERM "$daemon"
  wait "$daemon" || fail "$1: the daemon ended with $?: $(tail -n 3 "$AT/dev/log")"
  say "run with $1, as user 0 with three capabilities: led $2, ended with 0 at SIGTERM"
}

make_service() {
  "$NODE" -e '
    const made = [
      ["/api/v1/nodes", { metadata: { name: "n1" }, status: { conditions: [{ type: "Ready", status: "True" }] } }],
      ["/api/v1/namespaces", { metadata: { name: "shop" } }],
      ["/api/v1/namespaces", { metadata: { name: "holdfast-system" } }],
      ["/apis/holdfast.dev/v1alpha1/addresspools", { metadata: { name: "blue" }, spec: { addresses: ["192.0.2.101/32"] } }],
      ["/api/v1/namespaces/shop/services", { metadata: { name: "web" }, spec: { type: "LoadBalancer",
        loadBalancerClass: "holdfast.dev/l2", ipFamilies: ["IPv4"], ports: [{ port: 80, protocol: "TCP" }] } }],
    ];
    (async () => {
      for (const [path, body] of made) {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(`http://127.0.0.1:6443${path}`, { method: "POST", headers, body: JSON.stringify(body) });
        if (!answer.ok) throw new Error(await answer.text());
      }
    })();' || fail 'the stand-in takes no objects'
}

# buildah's chroot isolation applies a seccomp filter, and capabilities one by one, but no read-only root.
doctor_under_seccomp() {
  store=$(mktemp -d)
  b="buildah --root $store/root --runroot $store/run --storage-driver vfs"
  $b pull --quiet "oci-archive:$FS/../image.tar" >"$store/id"
  container=$($b from "$(cat "$store/id")")
  drops=''
  for name in CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT AUDIT_WRITE MKNOD; do
    drops="$drops --cap-drop CAP_$name"
  done
  code=0
  # shellcheck disable=SC2086
  $b run --isolation chroot --user 0 $drops --cap-add CAP_NET_RAW --cap-add CAP_SYS_NICE --cap-add CAP_IPC_LOCK \
    -v "$AT/etc/holdfast:/etc/holdfast:ro" "$container" -- \
    /usr/local/bin/holdfast doctor --config /etc/holdfast/config.yaml --json >"$store/doctor" || code=$?
  [ "$code" -le 1 ] && ! grep -E '"(fail|warn)"' "$store/doctor" || { cat "$store/doctor" && code=2; }
  rm -rf "$store"
  [ "$code" -le 1 ]
}

# shellcheck disable=SC2086
{
  inside $NOBODY /usr/local/bin/holdfast --help >"$AT/dev/help" || fail '--help'
  say "--help as nobody: $(head -n 1 "$AT/dev/help")"
  inside $NOBODY /usr/local/bin/holdfast make-key >"$AT/etc/holdfast/keys" || fail 'make-key'
  chmod 400 "$AT/etc/holdfast/keys"
  mount -o remount,ro "$AT/etc/holdfast"
  inside $NOBODY /usr/local/bin/holdfast check --config /etc/holdfast/config.yaml >/dev/null || fail 'check'
  say 'check as nobody: accepted'
  inside $DAEMON /usr/bin/node -e '
    const { readFileSync, writeFileSync } = require("node:fs");
    const [, mask] = /^CapBnd:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"));
    console.log(`try-image: capabilities 0x${BigInt("0x" + mask).toString(16)} (net_raw, ipc_lock, sys_nice)`);
    for (const path of ["/", "/opt/holdfast/", "/etc/holdfast/", "/tmp/"])
      try { writeFileSync(`${path}probe`, ""); console.log(`${path} can be written`); process.exitCode = 1; } catch {}' ||
    fail 'the root file system can be written'
  say 'nothing but the journal and the socket can be written'
  code=0
  inside $DAEMON /usr/local/bin/holdfast doctor --config /etc/holdfast/config.yaml || code=$?
  [ "$code" -le 1 ] || fail "doctor ended with $code"
  lead config.yaml 2001:db8::100
  grep -q '192.0.2.100 *leader' "$AT/dev/status" || fail 'only one of the two families is led'
  make_service
  lead cluster.yaml 192.0.2.101
  inside $NOBODY /usr/local/bin/kubectl-holdfast explain 192.0.2.101 --kubeconfig /etc/holdfast/kubeconfig || fail 'kubectl-holdfast'
  inside $DAEMON /usr/local/bin/holdfast replay /var/lib/holdfast/journal || fail 'replay'
  if command -v buildah >/dev/null 2>&1 && [ -e "$FS/../image.tar" ]; then
    doctor_under_seccomp || fail 'doctor under seccomp'
    say 'doctor under a seccomp filter: packet sockets, real-time scheduling and locked memory are permitted'
  else
    say 'skipped, since buildah or image.tar is not there: doctor under a seccomp filter'
  fi
}
