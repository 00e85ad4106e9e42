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
mkdir -p "$FS/usr/bin" "$APP/node_modules" "$FS/etc/holdfast" "$FS/run/holdfast" "$FS/var/lib/holdfast" \
  "$FS/proc" "$FS/sys" "$FS/dev"
mkdir -m 1777 "$FS/tmp"
: >"$OUTPUT/packages.txt"

# 1. Our own, and the production packages: what npm would install with --omit=dev, as it lies here.
cp -r "$ROOT/src" "$ROOT/dist" "$ROOT/package.json" "$ROOT/LICENSE" "$APP/"
cp -r "$ROOT/deploy/image/." "$FS/"
npm=$(command -v npm)
(cd "$ROOT" && "$npm" ls --omit=dev --omit=optional --all --parseable --long 2>/dev/null) | tail -n +2 |
  while IFS=: read -r path name _; do
    case $name in @types/*) continue ;; esac
    relative=${path#"$ROOT"/}
    mkdir -p "$APP/${relative%/*}"
    cp -r "$path" "$APP/$relative"
    echo "npm $name" >>"$OUTPUT/packages.txt"
  done

# 2. What no program runs: declarations, maps, sources of what is compiled, builds for other systems. Licences stay.
cd "$APP/node_modules"
[ -d @kubernetes/client-node ] && [ -d xstate ] || { echo 'build-image: npm ls named no packages: run scripts/setup.sh --fresh' >&2 && exit 1; }
find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.md' \) \
  ! -path './raw-socket/README*' ! -iname '*licen[cs]e*' ! -iname '*copying*' ! -iname '*notice*' -delete
rm -rf rxjs/src rxjs/dist/bundles rxjs/dist/types rxjs/dist/esm5 zod/src xstate/dist/*.umd.* nan koffi/vendor koffi/doc \
  @koromix/koffi-*/musl_* .bin
find raw-socket -mindepth 1 -maxdepth 1 ! -name package.json ! -name index.js ! -name build ! -name 'README*' -exec rm -rf {} +
find raw-socket/build -type f ! -path '*/build/Release/raw.node' -delete
find koffi -type f \( -name '*.cc' -o -name '*.hh' -o -name '*.h' -o -name '*.S' -o -name '*.asm' -o -name CMakeLists.txt \) -delete
find . -depth -type d -name prebuilds -exec rm -rf {} +
find . -depth -type d -empty -delete

# 3. Node, without the symbols that only a debugger of Node itself reads.
cp "$NODE" "$FS/usr/bin/node"
strip --strip-all "$FS/usr/bin/node"
echo "node $("$NODE" --version)" >>"$OUTPUT/packages.txt"

# 4. The shared libraries that these ask for, with their licences, from the Debian packages of this machine.
find "$FS/usr/bin/node" "$APP/node_modules" \( -name node -o -name '*.node' \) -type f -exec ldd {} + 2>/dev/null |
  sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | sort -u |
  while read -r library; do
    mkdir -p "$FS${library%/*}"
    cp -L "$library" "$FS$library"
    owner=$(dpkg-query -S "$(readlink -f "$library")" 2>/dev/null || dpkg-query -S "$library")
    package=${owner%%: /*}
    copyright=usr/share/doc/${package%%:*}/copyright
    mkdir -p "$FS/${copyright%/*}"
    cp "/$copyright" "$FS/$copyright"
    dpkg-query -W -f 'debian ${Package} ${Version}\n' "$package" >>"$OUTPUT/packages.txt"
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

# 5. The image. Storage of its own and chroot isolation: neither a daemon nor overlayfs nor a runtime is needed. Its
# times are those of the commit, so that one commit and one Debian make one image.
EPOCH=$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null || echo 0)
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
