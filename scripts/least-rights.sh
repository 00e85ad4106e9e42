# Sourced by bin/holdfast for the commands that run as root for long (`run`) or judge what `run` could do (`doctor`).
# Sets RIGHTS to the words that go before Node: setpriv, which takes away every capability that the daemon has no
# use for before Node starts, so in every thread (capset from inside changes one thread of seven). Empty where there
# is nothing to take away, or no way to: then one line says so, and the program goes on with what it has.
#
# ROOT and NODE are set by the caller, in a release ACCOUNT too: where that user is there the unit runs the daemon as it,
# and so does root by hand, or what one writes the other could not. The arguments are those of holdfast. Costs one look
# at /proc and one trial.

# Packet sockets; real-time scheduling; locked memory. Below: linux/capability.h, 1<<13 | 1<<23 | 1<<14.
RIGHTS_KEPT=+net_raw,+sys_nice,+ipc_lock
RIGHTS_MASK=0x806000
RIGHTS_NET_ADMIN=0x1000

rights_note() {
  echo "holdfast: $1" >&2
}

# The value of --config, or nothing.
rights_config() {
  while [ $# -gt 0 ]; do
    case $1 in
      --config) echo "${2:-}" && return ;;
      --config=*) echo "${1#--config=}" && return ;;
    esac
    shift
  done
}

# The bounding set, as hex digits without 0x: what the program could ever have.
rights_bounding() {
  while IFS=':	 ' read -r key value; do
    [ "$key" = CapBnd ] && echo "$value" && return
  done </proc/self/status
}

# `serve: none` adds no address to this host. Only the plain spelling is recognised; any other keeps the right.
rights_serves_host() {
  ! grep -Eqs "^serve:[[:space:]]+[\"']?none[\"']?[[:space:]]*(#.*)?\$" "$1"
}

# conntrack, which tells a patient drain where clients are connected, takes CAP_NET_ADMIN too.
rights_drains_patiently() {
  grep -Eqs "^[^#]*style:[[:space:]]*[\"']?patient" "$1"
}

rights_words_of_account() {
  echo "setpriv --no-new-privs --reuid $ACCOUNT --regid $ACCOUNT --clear-groups --inh-caps -all,$1 --ambient-caps -all,$1 --bounding-set -all,$1"
}

rights_words() {
  echo "setpriv --no-new-privs --inh-caps -all --ambient-caps -all --bounding-set -all,$1"
}

# Root without CAP_DAC_OVERRIDE is held to file modes like anybody; the trial is whether it still reads its program.
rights_try() {
  $1 sh -c '[ -x "$1" ] && [ -r "$2" ] && { [ ! -e "$3" ] || [ -r "$3" ]; }' sh \
    "$NODE" "$ROOT/src/cli/main.ts" "$2" 2>/dev/null
}

RIGHTS=''
rights_choose() {
  [ "$(id -u)" = 0 ] || return 0
  config=$(rights_config "$@")
  if rights_serves_host "${config:-/dev/null}" || rights_drains_patiently "${config:-/dev/null}"; then
    RIGHTS_KEPT=$RIGHTS_KEPT,+net_admin
    RIGHTS_MASK=$((RIGHTS_MASK | RIGHTS_NET_ADMIN))
  fi
  # A container runtime or systemd has done it already.
  [ $((0x$(rights_bounding) & ~RIGHTS_MASK)) -ne 0 ] || return 0
  if ! command -v setpriv >/dev/null 2>&1; then
    rights_note 'setpriv is not installed (apt-get install util-linux): going on with all capabilities'
    return 0
  fi
  if [ -n "$ACCOUNT" ] && id "$ACCOUNT" >/dev/null 2>&1; then
    RIGHTS=$(rights_words_of_account "$RIGHTS_KEPT")
    rights_try "$RIGHTS" "${config:-/}" && return 0
    rights_note "the user $ACCOUNT cannot read $ROOT or the configuration by file mode: going on as root"
  fi
  RIGHTS=$(rights_words "$RIGHTS_KEPT")
  rights_try "$RIGHTS" "${config:-/}" && return 0
  # A checkout in somebody's home, mode 0700.
  RIGHTS=$(rights_words "$RIGHTS_KEPT,+dac_read_search")
  if rights_try "$RIGHTS" "${config:-/}"; then
    rights_note "root cannot read $ROOT or the configuration by file mode: CAP_DAC_READ_SEARCH is kept"
    return 0
  fi
  RIGHTS=''
  rights_note 'setpriv cannot take capabilities away here: going on with all there are'
}

rights_choose "$@"
