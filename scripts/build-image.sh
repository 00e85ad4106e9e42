#!/bin/sh
# Builds the container image: rootfs/ from what this tree was set up with (the Node of toolchain/package-lock.json, the
# production packages of package-lock.json), the shared libraries that they ask for from this Debian, and src; then an
# image FROM scratch by buildah (apt-get install buildah), as an OCI archive. Nothing is fetched.
#
#   scripts/build-image.sh [--output DIRECTORY] [--tag NAME]
#
# DIRECTORY (default: build/image) gets rootfs/, packages.txt (what is in it, with versions) and image.tar, which
# `ctr images import`, `podman load` and `skopeo copy oci-archive:…` read. Without buildah: rootfs.tar and exit 1.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P)
. "$ROOT/scripts/setup.sh"
. "$ROOT/scripts/lay-out.sh"

VERSION=$("$NODE" -p "require('$ROOT/package.json').version")
OUTPUT=$ROOT/build/image
# In full, as a node's container runtime looks for `holdfast:VERSION`.
TAG=docker.io/library/holdfast:$VERSION
while [ $# -gt 0 ]; do
  case $1 in
    --output) OUTPUT=$2 && shift 2 ;;
    --tag) TAG=$2 && shift 2 ;;
    *) echo "build-image: $1: --output DIRECTORY and --tag NAME are known" >&2 && exit 2 ;;
  esac
done
mkdir -p "$OUTPUT"
OUTPUT=$(cd "$OUTPUT" && pwd -P)
FS=$OUTPUT/rootfs
APP=$FS/opt/holdfast
rm -rf "$FS" "$OUTPUT/image.tar" "$OUTPUT/rootfs.tar"
mkdir -p "$FS/usr/bin" "$FS/etc/holdfast" "$FS/run/holdfast" "$FS/var/lib/holdfast" "$FS/proc" "$FS/sys" "$FS/dev"
mkdir -m 1777 "$FS/tmp"
PACKAGES=$OUTPUT/packages.txt
: >"$PACKAGES"

# 1. The program and Node; what the image has besides: an account without powers, and the commands without a shell.
lay_out_program "$APP"
lay_out_node "$FS/usr/bin/node"
cp -r "$ROOT/deploy/image/." "$FS/"

# 2. The shared libraries that these ask for, with their licences, from the Debian packages of this machine.
lay_out_libraries "$FS/usr/bin/node" "$APP/node_modules" | while read -r library; do
  lay_out_library "$library" "$FS$library" "$FS/usr/share/doc"
done
sort -u -o "$OUTPUT/packages.txt" "$OUTPUT/packages.txt"
mkdir -p "$FS/usr/share/holdfast"
cp "$OUTPUT/packages.txt" "$FS/usr/share/holdfast/"
chmod -R u+rwX,go+rX,go-w "$FS" && chmod 1777 "$FS/tmp"
echo "rootfs: $(du -sm --apparent-size "$FS" | cut -f1) MiB in $FS"

if ! command -v buildah >/dev/null 2>&1; then
  tar -C "$FS" --owner=0 --group=0 --numeric-owner -cf "$OUTPUT/rootfs.tar" .
  echo 'build-image: buildah is missing (apt-get install buildah): rootfs.tar is made, an image is not' >&2
  exit 1
fi

# 3. The image. Storage of its own and chroot isolation: neither a daemon nor overlayfs nor a runtime is needed. Its
# times are those of the commit, so that one commit and one Debian make one image.
EPOCH=$(lay_out_epoch)
REVISION=$(git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown)
STORE=$(mktemp -d)
trap 'rm -rf "$STORE"' EXIT
buildah_here() {
  buildah --root "$STORE/root" --runroot "$STORE/run" --storage-driver vfs "$@"
}
buildah_here bud --quiet --isolation chroot --timestamp "$EPOCH" --label "org.opencontainers.image.version=$VERSION" \
  --label "org.opencontainers.image.revision=$REVISION" --label org.opencontainers.image.licenses=Apache-2.0 \
  -f "$ROOT/deploy/Containerfile" -t "$TAG" "$OUTPUT" >/dev/null
buildah_here push --quiet "$TAG" "oci-archive:$OUTPUT/image.tar:$TAG" >/dev/null
echo "image: $TAG, $(du -m --apparent-size "$OUTPUT/image.tar" | cut -f1) MiB compressed in $OUTPUT/image.tar"
