#!/bin/sh
# Biome, which formats and lints, is run as the bare binary of this platform. The wrapper package
# @biomejs/biome names binaries for platforms that we never run on and that not every registry carries;
# the lock file would lack them, and `npm ci` refuse.
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P) || exit 1
. "$ROOT/scripts/setup.sh"
for biome in "$ROOT"/node_modules/@biomejs/cli-linux-*/biome; do
  [ -x "$biome" ] && exec "$biome" "$@"
done
echo "holdfast: no biome binary for $(uname -sm): format and lint run on Linux x86_64 and aarch64 with glibc" >&2
exit 1
