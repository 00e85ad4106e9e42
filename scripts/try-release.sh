#!/bin/sh
# Installs the tarball of scripts/release.sh on a machine with nothing but Debian's base: a root made by debootstrap, in
# namespaces of its own, without Node, compiler or network. First as it is (no systemd), then with systemd booted in it.
# Each time: unpack, install, start, the address answers ARP and ping from another namespace, upgrade, uninstall, and no
# file is left or changed. Needs root, debootstrap, iproute2, util-linux, arping, ping; exit 1 at the first failure.
#
#   scripts/try-release.sh [--release DIRECTORY] [--only base|systemd|deb]    default: build/release, all that is in it
#
# The two roots are kept below build/ (200 and 250 MB), so the next time costs half a minute less each.
set -eu
SELF=$(readlink -f "$0")
ROOT=$(cd "$(dirname "$SELF")/.." && pwd -P)
RELEASE=$ROOT/build/release
PARTS=''
SUITE=bookworm
MIRROR=http://deb.debian.org/debian
while [ $# -gt 0 ]; do
  case $1 in
    --release) RELEASE=$(cd "$2" && pwd -P) && shift 2 ;;
    --only) PARTS=$2 && shift 2 ;;
    *) echo "try-release: $1: --release DIRECTORY and --only base|systemd|deb are known" >&2 && exit 2 ;;
  esac
done

say() {
  echo "try-release: $*"
}
fail() {
  say "FAILED: $*" >&2
  exit 1
}
milliseconds() {
  echo $(($(date +%s%N) / 1000000))
}

# A root of Debian's base with the packages $2 besides, below build/$1, made once.
make_root() {
  [ -e "$ROOT/build/$1/.made" ] && return
  command -v debootstrap >/dev/null 2>&1 || fail 'debootstrap is missing (apt-get install debootstrap)'
  rm -rf "$ROOT/build/$1" && mkdir -p "$ROOT/build"
  from=$(milliseconds)
  debootstrap --variant=minbase ${2:+--include="$2"} "$SUITE" "$ROOT/build/$1" "$MIRROR" >"$ROOT/build/$1.log" 2>&1 ||
    fail "debootstrap (see build/$1.log)"
  rm -rf "$ROOT/build/$1/var/cache/apt/archives"/*.deb
  : >"$ROOT/build/$1/.made"
  say "a root of $SUITE, $(du -sm "$ROOT/build/$1" | cut -f1) MB, in $((($(milliseconds) - from) / 1000)) s"
}

. "$ROOT/scripts/try-release-systemd.sh"

PATH=$PATH:/usr/sbin:/sbin
if [ "${HOLDFAST_AT:-}" = '' ]; then
  [ "$(id -u)" = 0 ] || fail 'it needs root for namespaces'
  for tool in unshare:util-linux nsenter:util-linux ip:iproute2 ps:procps arping:arping ping:iputils-ping; do
    command -v "${tool%:*}" >/dev/null 2>&1 || fail "${tool%:*} is missing (apt-get install ${tool#*:})"
  done
  TARBALL=$(ls "$RELEASE/holdfast-"*-linux-*.tar.gz 2>/dev/null) || fail "no tarball in $RELEASE: npm run release"
  (cd "$RELEASE" && sha256sum --check --quiet --strict --ignore-missing SHA256SUMS) || fail 'the tarball is not what SHA256SUMS says'
  DEB=$(ls "$RELEASE/holdfast_"*.deb 2>/dev/null) || DEB=''
  [ -n "$PARTS" ] || PARTS="base systemd${DEB:+ deb}"
  for part in $PARTS; do
    case $part in
      base) BASE=debian-base && make_root "$BASE" '' ;;
      systemd | deb) BASE=debian-systemd && make_root "$BASE" systemd ;;
      *) echo "try-release: --only $part: base, systemd and deb are known" >&2 && exit 2 ;;
    esac
    HOLDFAST_AT=$(mktemp -d) && export HOLDFAST_AT
    trap 'rm -rf "$HOLDFAST_AT"' EXIT
    cp -a "$ROOT/build/$BASE/." "$HOLDFAST_AT/" && rm "$HOLDFAST_AT/.made"
    cp "$TARBALL" $DEB "$HOLDFAST_AT/root/"
    code=0
    [ "$part" = base ] || enter_cgroup
    unshare --mount --net --uts --ipc --pid --cgroup --fork --kill-child --propagation private \
      "$SELF" --release "$RELEASE" --only "$part" || code=$?
    [ "$part" = base ] || leave_cgroup
    rm -rf "$HOLDFAST_AT"
    HOLDFAST_AT=''
    [ "$code" = 0 ] || exit "$code"
  done
  exit 0
fi

# From here on in namespaces of its own.
AT=$HOLDFAST_AT
NAME=$(basename "$AT"/root/*.tar.gz .tar.gz)
mount -t proc proc /proc
mount --bind "$AT" "$AT"
mount -t proc proc "$AT/proc"
mount -t sysfs sysfs "$AT/sys"
mount -t tmpfs -o mode=755 tmpfs "$AT/run"
mount -t tmpfs -o mode=755 tmpfs "$AT/dev"
for device in null zero full random urandom tty; do
  : >"$AT/dev/$device"
  mount --bind "/dev/$device" "$AT/dev/$device"
done
mkdir "$AT/dev/pts" "$AT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$AT/dev/pts"
ln -s pts/ptmx "$AT/dev/ptmx"
ln -s /proc/self/fd "$AT/dev/fd"
# The client is another network namespace, with a cable between.
mount -t tmpfs tmpfs /run
ip netns add client
ip link set lo up
ip link add eth0 type veth peer name eth0 netns client
ip link set eth0 up
ip address add 192.0.2.1/24 dev eth0
ip address add 2001:db8::1/64 dev eth0 nodad
hostname n1
ip netns exec client sh -ec 'ip link set eth0 up; ip address add 192.0.2.9/24 dev eth0; ip address add 2001:db8::9/64 dev eth0 nodad'

# A command on that machine, with the environment of somebody who has just logged in. `enter` replaces the shell, so
# that a signal to it is one to the command.
ENTER="chroot $AT"
enter() {
  # shellcheck disable=SC2086
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root $ENTER "$@"
}
inside() { (enter "$@"); }

# Every file with its kind, mode, owner and contents. Not: what was unpacked, logs, what systemd and dpkg note of their runs,
# and the copies and locks that useradd keeps of the account files.
files() {
  (
    cd "$AT"
    find . -xdev \( -path './root/holdfast[-_]*' -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/lib/systemd -o -path ./var/tmp -o -path ./tmp \
      -o -path './etc/*-' -o -path './etc/sub[ug]id' -o -name .updated -o -name .pwd.lock \) -prune -o -printf '%p %y %m %U:%G %l\n' | sort >"$AT/dev/list"
    cat "$AT/dev/list"
    sed -n 's/ f [0-7]* [0-9:]* $//p' "$AT/dev/list" | tr '\n' '\0' | xargs -0 sha256sum
  )
}

# Waits until the client gets an ARP answer for 192.0.2.100, asked for every 50 ms; prints the milliseconds since $1.
answered() {
  ip netns exec client arping -q -I eth0 -C 1 -c 1200 -W 0.05 192.0.2.100 >/dev/null 2>&1 || fail 'nobody answers ARP for 192.0.2.100'
  echo $(($(milliseconds) - $1))
}

pings() {
  for address in 192.0.2.100 2001:db8::100; do
    ip netns exec client ping -q -c 3 -i 0.2 -w 10 "$address" >/dev/null || fail "$address does not answer pings"
  done
}

configure() {
  cat >"$AT/etc/holdfast/config.yaml" <<'CONFIG'
# mine
node: n1
serviceIPs:
  - ip: 192.0.2.100
  - ip: 2001:db8::100
heartbeat: {keyFile: /etc/holdfast/keys}
CONFIG
}

# The same release with a higher number, as an upgrade would bring it.
make_next() {
  inside sh -ec 'cd /root; cp -R "$1" holdfast-next; cd holdfast-next
    read -r machine glibc version <runtime/built-for; echo "$machine $glibc 999.0.0" >runtime/built-for
    grep -v " runtime/built-for$" SHA256SUMS >sums; sha256sum runtime/built-for >>sums; mv sums SHA256SUMS' sh "$NAME"
}

# $1: what has just removed everything.
unchanged() {
  files >"$AT/dev/after"
  diff "$AT/dev/before" "$AT/dev/after" >"$AT/dev/diff" || { cat "$AT/dev/diff" && fail "$1 left or changed these files"; }
  say "$1: the $(grep -c ' f ' "$AT/dev/before") files are what they were before"
}

try_install() {
  for tool in node npm gcc cc make python3; do
    ! inside sh -c "command -v $tool" >/dev/null || fail "the root is not bare: $tool is there"
  done
  files >"$AT/dev/before"
  from=$(milliseconds)
  inside sh -ec 'cd /root; tar xzf "$1.tar.gz"' sh "$NAME"
  unpacked=$(($(milliseconds) - from))
  from=$(milliseconds)
  inside "/root/$NAME/install.sh" || fail 'install.sh'
  say "unpacked in $unpacked ms, installed in $(($(milliseconds) - from)) ms, $(du -sm --apparent-size "$AT/opt/holdfast" | cut -f1) MiB in /opt/holdfast"
  configure
}

# Upgrading touches neither the configuration nor the journal (a daemon that runs goes on writing it), and the link names
# the new version.
try_upgrade() {
  (cd "$AT" && sha256sum etc/holdfast/* && find var/lib/holdfast -type f -exec ls {} +) >"$AT/dev/kept"
  make_next
  inside /root/holdfast-next/install.sh
  (cd "$AT" && sha256sum etc/holdfast/* && find var/lib/holdfast -type f -exec ls {} +) | cmp -s - "$AT/dev/kept" ||
    fail 'the upgrade changed configuration or journal'
  [ "$(inside readlink /usr/local/bin/holdfast)" = /opt/holdfast/999.0.0/bin/holdfast ] || fail 'the link is not the new version'
  say 'an upgrade kept configuration and journal'
}

try_uninstall() {
  inside /opt/holdfast/999.0.0/uninstall.sh
  [ -e "$AT/etc/holdfast/config.yaml" ] && [ -n "$(ls "$AT/var/lib/holdfast")" ] || fail 'uninstall.sh without --purge took configuration or journal'
  [ ! -e "$AT/opt/holdfast" ] || fail '/opt/holdfast is left'
  inside "/root/$NAME/uninstall.sh" --purge
  unchanged 'uninstall.sh --purge'
}

try_base() {
  try_install
  inside sh -c 'umask 077; holdfast make-key >/etc/holdfast/keys'
  from=$(milliseconds)
  enter holdfast run --config /etc/holdfast/config.yaml >"$AT/dev/log" 2>&1 &
  daemon=$!
  # Not in $( ), so that a failure ends this.
  answered "$from" >"$AT/dev/took" || { cat "$AT/dev/log" && exit 1; }
  say "without systemd: the address answers ARP $(cat "$AT/dev/took") ms after the start (1 s of it asks whether somebody uses it)"
  pings
  inside holdfast status
  ! grep -h '"code":"\(real-time\|memory-lock\)"' "$AT/dev/log" || fail 'a right for the wire thread is missing'
  grep -E '^(Uid|CapEff|NoNewPrivs):' "/proc/$daemon/status"
  kill -TERM "$daemon"
  wait "$daemon" || fail "the daemon ended with $?"
  inside holdfast replay /var/lib/holdfast/journal || fail 'replay'
  try_upgrade
  try_uninstall
}

try_$PARTS
