#!/bin/sh
# Removes what install.sh installed, every version of it; run it as root. The daemon is stopped first, and hands its
# addresses over. Configuration, keys, journal and the user holdfast stay, and are named, unless it is told --purge.
set -eu

[ "$(id -u)" = 0 ] || { echo 'uninstall.sh: run it as root' >&2 && exit 1; }
PURGE=${1:-}
case $PURGE in '' | --purge) ;; *) echo "uninstall.sh: $PURGE: only --purge is known" >&2 && exit 2 ;; esac

if command -v systemctl >/dev/null 2>&1 && [ -e /etc/systemd/system/holdfast.service ]; then
  if [ -d /run/systemd/system ]; then systemctl stop holdfast; fi
  systemctl disable --quiet holdfast 2>/dev/null || true
  rm -rf /etc/systemd/system/holdfast.service /etc/systemd/system/holdfast.service.d
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
# Without systemd somebody else started it: a daemon that runs would go on without its files.
if [ -S /run/holdfast/holdfast.sock ] && /usr/local/bin/holdfast status >/dev/null 2>&1; then
  echo 'uninstall.sh: a daemon is running (holdfast status): stop it first' >&2
  exit 1
fi

for name in holdfast kubectl-holdfast; do
  case $(readlink "/usr/local/bin/$name" || true) in /opt/holdfast/*) rm -f "/usr/local/bin/$name" ;; esac
done
rm -rf /opt/holdfast /run/holdfast

if [ "$PURGE" = --purge ]; then
  rm -rf /etc/holdfast /var/lib/holdfast
  if getent passwd holdfast >/dev/null; then userdel holdfast; fi
  echo 'Holdfast is gone, with its configuration, keys and journal.'
else
  echo 'Holdfast is gone. What stays, and --purge removes:'
  for path in /etc/holdfast /var/lib/holdfast; do if [ -e "$path" ]; then echo "  $path"; fi; done
  if getent passwd holdfast >/dev/null; then echo '  the user holdfast'; fi
fi
