#!/bin/sh
# Runs the image's command on this machine's network as a container runtime would: `holdfast lab --program` takes it, so
# that the lab's nodes run what scripts/build-image.sh made. The root is read-only, the rights are those of `serve: host`
# and no more, and of this machine's files only the folder of the configuration is there.
#
#   HOLDFAST_IMAGE=build/image/rootfs HOLDFAST_USER=65532 scripts/in-image.sh run --config FILE
#
# HOLDFAST_USER: 65532, the image's own (default), or 0, as in the DaemonSet. Needs root and util-linux.
set -eu
SELF=$(readlink -f "$0")
ROOT=$(cd "$(dirname "$SELF")/.." && pwd -P)
if [ "${HOLDFAST_INSIDE:-}" = '' ]; then
  HOLDFAST_INSIDE=yes exec unshare --mount --propagation private "$SELF" "$@"
fi
. "$ROOT/scripts/image-root.sh"

[ "${1:-}" = run ] && [ "${2:-}" = --config ] || { echo 'in-image: `run --config FILE` is what it runs' >&2 && exit 2; }
FS=$(cd "${HOLDFAST_IMAGE:-$ROOT/build/image/rootfs}" && pwd -P)
FOLDER=$(cd "$(dirname "$3")" && pwd -P)
USER_IN=${HOLDFAST_USER:-65532}
AT=$FOLDER/root
mkdir -p "$AT"
chown -R "$USER_IN:$USER_IN" "$FOLDER"
mount_image_root "$FS" "$AT" run tmp
mkdir -p "$AT$FOLDER"
mount --bind "$FOLDER" "$AT$FOLDER"
enter_image "$AT" "$USER_IN" '-all,+net_raw,+net_admin,+sys_nice,+ipc_lock' /usr/local/bin/holdfast "$@"
