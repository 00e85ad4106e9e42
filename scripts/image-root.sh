# Sourced by scripts/try-image.sh and scripts/in-image.sh, inside a mount namespace of their own: the image's root file
# system as a container runtime would mount it, and the way in with chosen rights.

# Mounts the root $1 at $2: read-only, with /proc, /sys, a small /dev, and a file system in memory on each of the paths
# that follow.
mount_image_root() {
  from=$1 at=$2 && shift 2
  mount --bind "$from" "$at"
  mount -o remount,bind,ro,nosuid "$at"
  mount -t proc proc "$at/proc"
  mount -t sysfs -o ro sysfs "$at/sys"
  for writable in dev "$@"; do mount -t tmpfs -o mode=755 tmpfs "$at/$writable"; done
  for device in null zero urandom; do
    : >"$at/dev/$device"
    mount --bind "/dev/$device" "$at/dev/$device"
  done
  # setpriv goes in by the back door, since the image has nothing that could drop rights; with its own libraries, which
  # only its loader is told of.
  cp "$(command -v setpriv)" "$at/dev/setpriv"
  ldd "$at/dev/setpriv" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' |
    while read -r library; do cp -L "$library" "$at/dev/"; done
}

# Replaces the shell by the command after $3, in the root $1, as user $2, with the capabilities $3 and no way to more:
# words for setpriv (`-all,+net_raw`). Any user but 0 has them as ambient ones.
enter_image() {
  at=$1 user=$2 rights=$3 && shift 3
  ambient=-all inherited=-all
  [ "$user" = 0 ] || { ambient=$rights && inherited=$rights; }
  loader=$(cd "$at/dev" && ls -d ld-linux*)
  exec env -i NODE_NAME=n1 "$(command -v chroot)" "$at" "/dev/$loader" --library-path /dev /dev/setpriv --no-new-privs \
    --reuid "$user" --regid "$user" --clear-groups --inh-caps "$inherited" --ambient-caps "$ambient" --bounding-set "$rights" "$@"
}
