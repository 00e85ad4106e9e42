#!/bin/sh
# Runs the Node that this tree was set up for, setting up first if needed; every npm script goes through it.
# exec, so that signals and the exit code are Node's own.
ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P) || exit 1
. "$ROOT/scripts/setup.sh"
exec "$NODE" "$@"
