# Sourced by scripts/try-release.sh: the part in which systemd is process 1 of the debootstrap root, and the unit, with all
# of its sandbox, runs the daemon. A machine that may not raise resource limits (this is one where `ulimit -Hr` is 0)
# cannot give the wire thread its scheduling by LimitRTPRIO; there a drop-in grants the two capabilities in its place.

# Called before the namespaces are made: systemd takes the control group that it finds itself in for the root of all, so
# it gets one of its own, in each hierarchy of this machine.
CGROUP=holdfast-try-$$
enter_cgroup() {
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir "$hierarchy/$CGROUP" && echo $$ >"$hierarchy/$CGROUP/cgroup.procs"
  done
}
leave_cgroup() {
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$hierarchy/$CGROUP" ] || continue
    echo $$ >"$hierarchy/cgroup.procs"
    find "$hierarchy/$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# Process 1 in there is a child of this script by one more process namespace; what enters it goes through nsenter.
boot() {
  mount -t tmpfs tmpfs "$AT/sys/fs/cgroup"
  mkdir "$AT/sys/fs/cgroup/systemd" "$AT/sys/fs/cgroup/unified"
  if grep -q '^nodev.cgroup$' /proc/filesystems && mount -t cgroup -o none,name=systemd cgroup "$AT/sys/fs/cgroup/systemd" 2>/dev/null; then
    mount -t cgroup2 cgroup2 "$AT/sys/fs/cgroup/unified"
  else
    umount "$AT/sys/fs/cgroup"
    mount -t cgroup2 cgroup2 "$AT/sys/fs/cgroup"
  fi
  mkdir -p "$AT/oldroot"
  unshare --mount --pid --fork --kill-child --propagation private sh -ec '
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    cd "$1"
    pivot_root . oldroot
    umount -l /oldroot
    exec env -i container=holdfast-try PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --show-status=false' \
    sh "$AT" </dev/null >/dev/null 2>&1 &
  outer=$!
  tries=0
  until init=$(ps -o pid= --ppid "$outer") && ENTER="nsenter --target ${init##* } --mount --pid" &&
    inside systemctl is-system-running --wait >"$AT/dev/state" 2>/dev/null || grep -qs degraded "$AT/dev/state"; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "systemd does not boot here: $(cat "$AT/dev/state")"
    sleep 0.2
  done
  rmdir "$AT/oldroot"
  say "systemd $(inside systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p') is process 1: $(cat "$AT/dev/state")"
}

property() {
  inside systemctl show -P "$1" holdfast
}

# Waits until systemd has another process than $1 in its place and the address answers; $2: what had happened.
restarted() {
  from=$(milliseconds)
  tries=0
  until [ "$(property MainPID)" != "$1" ] && [ "$(property ActiveState)" = active ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "$2: systemd does not start it again"
    sleep 0.1
  done
  answered "$from" >"$AT/dev/took"
  say "$2: systemd started it again, the address answers $(cat "$AT/dev/took") ms later"
}

# The Debian package in the place of install.sh.
try_deb() {
  boot
  files >"$AT/dev/before"
  from=$(milliseconds)
  inside sh -c 'dpkg --install /root/holdfast_*.deb >/root/holdfast-dpkg.log 2>&1 || { cat /root/holdfast-dpkg.log; exit 1; }' || fail 'dpkg --install'
  say "dpkg --install took $(($(milliseconds) - from)) ms, $(du -sm --apparent-size "$AT/usr/lib/holdfast" | cut -f1) MiB in /usr/lib/holdfast"
  configure
  inside sh -c 'holdfast make-key | install -o holdfast -m 400 /dev/stdin /etc/holdfast/keys'
  inside systemd-analyze verify holdfast.service || fail 'systemd-analyze verify'
  from=$(milliseconds)
  inside systemctl enable --quiet --now holdfast || { inside journalctl -n 30 --no-pager && fail 'systemctl start'; }
  answered "$from" >"$AT/dev/took"
  say "from the package: the address answers ARP $(cat "$AT/dev/took") ms after the start"
  pings
  pid=$(property MainPID)
  inside sh -c 'dpkg --install /root/holdfast_*.deb >/dev/null 2>&1' || fail 'dpkg --install over a daemon that runs'
  [ "$(property MainPID)" != "$pid" ] && [ "$(property ActiveState)" = active ] || fail 'an upgrade does not restart the daemon'
  grep -q '^# mine' "$AT/etc/holdfast/config.yaml" || fail 'the upgrade changed the configuration'
  inside sh -c 'dpkg --remove holdfast >/dev/null' || fail 'dpkg --remove'
  [ "$(property ActiveState)" = inactive ] && [ -e "$AT/etc/holdfast/keys" ] || fail 'dpkg --remove left a daemon, or took the keys'
  inside sh -c 'dpkg --purge holdfast >/dev/null' || fail 'dpkg --purge'
  unchanged 'dpkg --purge'
}

try_systemd() {
  boot
  try_install
  inside sh -c 'holdfast make-key | install -o holdfast -m 400 /dev/stdin /etc/holdfast/keys'
  if [ "$(sh -c 'ulimit -Hr' 2>/dev/null || bash -c 'ulimit -Hr')" = 0 ]; then
    say 'this machine may not raise RLIMIT_RTPRIO: CAP_SYS_NICE and CAP_IPC_LOCK in a drop-in instead'
    inside sh -ec 'mkdir -p /etc/systemd/system/holdfast.service.d
      printf "[Service]\nAmbientCapabilities=CAP_SYS_NICE CAP_IPC_LOCK\nCapabilityBoundingSet=CAP_SYS_NICE CAP_IPC_LOCK\n" >/etc/systemd/system/holdfast.service.d/limits.conf
      systemctl daemon-reload'
  fi
  inside systemd-analyze verify holdfast.service || fail 'systemd-analyze verify'
  say "systemd-analyze verify: clean; $(inside systemd-analyze security --no-pager holdfast.service 2>/dev/null | tail -n 1 | sed 's/^[^O]*//')"
  inside holdfast doctor --config /etc/holdfast/config.yaml || fail 'doctor'

  from=$(milliseconds)
  inside systemctl enable --quiet --now holdfast || { inside journalctl -n 30 --no-pager && fail 'systemctl start'; }
  say "systemctl start returned after $(($(milliseconds) - from)) ms, when the daemon said that it is ready"
  answered "$from" >"$AT/dev/took"
  say "with systemd: the address answers ARP $(cat "$AT/dev/took") ms after the start"
  pings
  inside holdfast status
  pid=$(property MainPID)
  inside grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status"
  ! inside journalctl -u holdfast -o cat --no-pager | grep '"code":"\(real-time\|memory-lock\)"' || fail 'the sandbox keeps the wire thread from its scheduling or memory'

  # What the daemon loads later: the thread that reads journals, the page, the metrics.
  inside holdfast explain --ip 192.0.2.100 --socket /run/holdfast/holdfast.sock || fail 'explain of a live node'
  for url in http://127.0.0.1:9475/ http://127.0.0.1:9476/metrics http://127.0.0.1:9476/readyz; do
    inside sh -c 'cd /opt/holdfast/*/runtime; LD_LIBRARY_PATH=. ./node -e "fetch(process.argv[1]).then(({ ok }) => process.exit(ok ? 0 : 1))" "$1"' sh "$url" || fail "$url"
  done
  inside systemctl reload holdfast || fail 'systemctl reload'
  inside sh -c "kill -KILL $pid"
  restarted "$pid" 'killed'
  inside sh -ec 'mkdir -p /etc/systemd/system/holdfast.service.d
    printf "[Service]\nWatchdogSec=2s\n" >/etc/systemd/system/holdfast.service.d/watchdog.conf
    systemctl daemon-reload && systemctl restart holdfast'
  pid=$(property MainPID)
  inside sh -c "kill -STOP $pid"
  restarted "$pid" 'standing still, with WatchdogSec=2s'

  try_upgrade
  from=$(milliseconds)
  inside systemctl restart holdfast || fail 'systemctl restart after the upgrade'
  inside sh -c 'case $(readlink /proc/$(systemctl show -P MainPID holdfast)/exe) in /opt/holdfast/999.0.0/*) ;; *) exit 1 ;; esac' || fail 'the new version does not run'
  answered "$from" >/dev/null
  inside holdfast replay /var/lib/holdfast/journal || fail 'replay'
  try_uninstall
  [ "$(cat /proc/sys/net/ipv4/conf/eth0/arp_ignore)" = 0 ] || fail 'arp_ignore is not what it was'
  ! ip address show dev lo | grep -q 192.0.2.100 || fail 'the address is left on lo'
}
