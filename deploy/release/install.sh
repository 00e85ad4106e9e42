#!/bin/sh
# Installs Holdfast from this unpacked folder, or upgrades to it; run it as root. It needs nothing from the network.
#
#   /opt/holdfast/VERSION      the program: a copy of this folder
#   /usr/local/bin             links: holdfast, kubectl-holdfast
#   /etc/holdfast/config.yaml  an example, only if there is none
# and where there is systemd:
#   /etc/systemd/system/holdfast.service, the user holdfast, /var/lib/holdfast for its journal
#
# It starts and restarts nothing: its last lines say how. Versions stay beside each other until uninstall.sh; to go back
# run /opt/holdfast/OLDER/install.sh.
set -eu
HERE=$(cd "$(dirname "$(readlink -f "$0")")" && pwd -P)
# runtime/built-for has three words: the machine as uname says it, the oldest glibc, the version of Holdfast.
read -r MACHINE GLIBC VERSION <"$HERE/runtime/built-for"
TARGET=/opt/holdfast/$VERSION

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

# 1. Can it run here?
[ "$(id -u)" = 0 ] || fail 'it writes to /opt, /etc and /usr/local: run it as root'
[ "$(uname -sm)" = "Linux $MACHINE" ] || fail "this release is for Linux on $MACHINE, and this is $(uname -sm)"
HAVE=$(getconf GNU_LIBC_VERSION 2>/dev/null) || fail "there is no glibc here; $GLIBC or later is needed"
[ "$(printf '%s\n' "$GLIBC" "${HAVE#glibc }" | sort -V | head -n 1)" = "$GLIBC" ] || fail "$HAVE is too old; glibc $GLIBC or later is needed"
(cd "$HERE" && sha256sum --check --quiet --strict SHA256SUMS) || fail 'files differ from SHA256SUMS (above): unpack the release again'
SAID=$("$HERE/bin/holdfast" --help 2>&1) || fail "it does not run here: $(echo "$SAID" | tail -n 1)"

# 2. The program. What runs now keeps its own files until it is restarted.
if [ "$HERE" != "$TARGET" ]; then
  rm -rf "$TARGET.new" && mkdir -p "$TARGET.new"
  cp -R "$HERE/." "$TARGET.new/" && chown -R 0:0 "$TARGET.new"
  rm -rf "$TARGET" && mv "$TARGET.new" "$TARGET"
fi
mkdir -p /usr/local/bin
for name in holdfast kubectl-holdfast; do ln -sfn "$TARGET/bin/$name" "/usr/local/bin/$name"; done

# 3. The configuration, if there is none.
mkdir -p /etc/holdfast
STEP='systemctl enable --now holdfast'
if [ ! -e /etc/holdfast/config.yaml ]; then
  cp "$TARGET/config.example.yaml" /etc/holdfast/config.yaml
  STEP="put your addresses into /etc/holdfast/config.yaml, then: holdfast doctor --config /etc/holdfast/config.yaml; $STEP"
fi

# 4. The service.
if command -v systemctl >/dev/null 2>&1; then
  getent passwd holdfast >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin holdfast
  install -d -o holdfast -g holdfast -m 750 /var/lib/holdfast
  install -d -o holdfast -g holdfast -m 755 /run/holdfast
  install -m 644 "$TARGET/holdfast.service" /etc/systemd/system/holdfast.service
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if systemctl is-active --quiet holdfast; then STEP='systemctl restart holdfast, one node after the other'; fi
  else
    STEP="$STEP (systemd does not run here now)"
  fi
else
  STEP="${STEP%systemctl*}holdfast run --config /etc/holdfast/config.yaml, under a supervisor of your own, since there is no systemd here"
fi
echo "Holdfast $VERSION is in $TARGET."
echo "Next: $STEP"
