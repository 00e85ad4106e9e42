#!/bin/sh
# Makes a release for this architecture from what this tree was set up with: a tarball that runs where it is unpacked
# (Node, the production packages with their addons compiled, the sources, the page), which asks nothing of its machine
# but Linux and glibc; the same as a Debian package where dpkg-deb is there; and their checksums. Nothing is fetched.
#
#   scripts/release.sh [--output DIRECTORY] [--tarball]      default: build/release; --tarball: no Debian package
#
# Files sorted, owned by root, dated by the commit: the same commit on the same Debian gives the same bytes.
set -eu
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P)
. "$ROOT/scripts/setup.sh"
. "$ROOT/scripts/lay-out.sh"
# One order of names and one set of modes, whoever runs it.
export LC_ALL=C
umask 022

OUTPUT=$ROOT/build/release
WITH_DEB=yes
while [ $# -gt 0 ]; do
  case $1 in
    --output) OUTPUT=$2 && shift 2 ;;
    --tarball) WITH_DEB=no && shift ;;
    *) echo "release: $1: --output DIRECTORY and --tarball are known" >&2 && exit 2 ;;
  esac
done
VERSION=$("$NODE" -p "require('$ROOT/package.json').version")
ARCH=$("$NODE" -p process.arch)
NAME=holdfast-$VERSION-linux-$ARCH
EPOCH=$(lay_out_epoch)
mkdir -p "$OUTPUT"
OUTPUT=$(cd "$OUTPUT" && pwd -P)
TREE=$OUTPUT/$NAME
rm -rf "$TREE" "$OUTPUT/$NAME".* "$OUTPUT/holdfast_${VERSION}_"* "$OUTPUT/SHA256SUMS"
PACKAGES=$(mktemp)
trap 'rm -f "$PACKAGES"' EXIT

# 1. What runs. Of the shared libraries only the one that no base system has; the others are every glibc machine's.
lay_out_program "$TREE"
mkdir "$TREE/runtime"
lay_out_node "$TREE/runtime/node"
lay_out_libraries "$TREE" | grep '/libatomic\.so\.1$' | while read -r library; do
  lay_out_library "$library" "$TREE/runtime/libatomic.so.1" "$TREE/runtime"
done
# The oldest glibc that Node, the addons and the library were linked for.
GLIBC=$(find "$TREE" -type f \( -name node -o -name '*.node' -o -name '*.so.*' \) -exec objdump -T {} + |
  sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -uV | tail -n 1)
echo "$(uname -m) $GLIBC $VERSION" >"$TREE/runtime/built-for"

# 2. What starts, installs and explains it: the checkout's commands, with nothing left to set up.
mkdir "$TREE/bin" "$TREE/scripts"
cp "$ROOT/bin/holdfast" "$ROOT/bin/kubectl-holdfast" "$TREE/bin/"
cp "$ROOT/scripts/least-rights.sh" "$TREE/scripts/"
cp -R "$ROOT/deploy/release/." "$TREE/"
mkdir "$TREE/deploy" "$TREE/docs"
for part in base crds monitoring patient; do cp -R "$ROOT/deploy/$part" "$TREE/deploy/"; done
cp "$ROOT"/docs/*.md "$TREE/docs/"
cp "$ROOT/README.md" "$ROOT/CHANGELOG.md" "$TREE/"

# 3. What it says of itself.
"$NODE" --disable-warning=ExperimentalWarning "$ROOT/scripts/bill-of-materials.ts" "$TREE" "$PACKAGES" "$EPOCH"
chmod -R u+rwX,go+rX,go-w "$TREE"
(cd "$TREE" && find . -type f ! -name SHA256SUMS | sort | sed 's,^\./,,' | tr '\n' '\0' | xargs -0 sha256sum >SHA256SUMS)
find "$TREE" -exec touch -h -d "@$EPOCH" {} +

# 4. The tarball. gzip, since Debian's base has it and has no xz; -9 takes four times as long for 0.6 %.
tar -C "$OUTPUT" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$EPOCH" --format=posix \
  --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf - "$NAME" | gzip -n >"$OUTPUT/$NAME.tar.gz"

# 5. The Debian package: the same tree in another place.
if [ "$WITH_DEB" = no ]; then
  :
elif command -v dpkg-deb >/dev/null 2>&1; then
  . "$ROOT/scripts/debian-package.sh"
  debian_package "$TREE" "$OUTPUT"
else
  echo 'release: dpkg-deb is not here: the tarball only'
fi

cd "$OUTPUT"
sha256sum "$NAME.tar.gz" $(ls | grep '^holdfast_.*\.deb$' || true) >SHA256SUMS
echo "release: $(du -sm --apparent-size "$TREE" | cut -f1) MiB, packed in $OUTPUT:"
ls -l ./*.tar.gz $(ls | grep '\.deb$' || true) | awk '{ printf "  %5.1f MiB  %s\n", $5 / 1048576, $NF }'
