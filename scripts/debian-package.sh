# Sourced by scripts/release.sh: makes a Debian package of the tree that the tarball has. The program goes to
# /usr/lib/holdfast, its commands to /usr/bin, the unit to /lib/systemd/system; configuration, keys and journal are where
# install.sh puts them, and apt's own purge removes them. EPOCH, VERSION and ROOT are set by the caller.

debian_architecture() {
  case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac
}

# What a package does beside copying files; debhelper would write the same.
debian_scripts() {
  cat >"$1/postinst" <<'END'
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
getent passwd holdfast >/dev/null ||
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin holdfast
install -d -o holdfast -g holdfast -m 750 /var/lib/holdfast
[ -e /etc/holdfast/config.yaml ] || install -D -m 644 /usr/lib/holdfast/config.example.yaml /etc/holdfast/config.yaml
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade; a first start waits for a configuration.
  systemctl try-restart holdfast
fi
END
  cat >"$1/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --quiet --now holdfast; fi
END
  cat >"$1/postrm" <<'END'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
[ "$1" = purge ] || exit 0
rm -rf /etc/holdfast /var/lib/holdfast /run/holdfast
if getent passwd holdfast >/dev/null; then userdel holdfast; fi
END
  chmod 755 "$1/postinst" "$1/prerm" "$1/postrm"
}

# Makes holdfast_VERSION_ARCHITECTURE.deb of the tree $1 in the folder $2.
debian_package() {
  stage=$2/debian
  rm -rf "$stage"
  mkdir -p "$stage/DEBIAN" "$stage/usr/lib" "$stage/usr/bin" "$stage/lib/systemd/system" "$stage/usr/share/doc/holdfast"
  cp -R "$1" "$stage/usr/lib/holdfast"
  (cd "$stage/usr/lib/holdfast" && rm -f install.sh uninstall.sh SHA256SUMS)
  sed 's,/usr/local/bin/holdfast,/usr/bin/holdfast,' "$1/holdfast.service" >"$stage/lib/systemd/system/holdfast.service"
  rm "$stage/usr/lib/holdfast/holdfast.service"
  for name in holdfast kubectl-holdfast; do ln -s "../lib/holdfast/bin/$name" "$stage/usr/bin/$name"; done
  cp "$ROOT/LICENSE" "$stage/usr/share/doc/holdfast/copyright"
  cat >"$stage/DEBIAN/control" <<END
Package: holdfast
Version: $VERSION
Architecture: $(debian_architecture)
Maintainer: the Holdfast authors <holdfast@localhost>
Section: net
Priority: optional
Depends: libc6 (>= $GLIBC), libstdc++6, passwd, util-linux
Installed-Size: $(du -sk --apparent-size "$stage" | cut -f1)
Description: layer-2 load balancer for bare metal
 Keeps service IPs on the wire: decides which node of a segment owns which IP, answers ARP and
 Neighbor Discovery for it, and can say, from its own record, why each IP moved.
END
  debian_scripts "$stage/DEBIAN"
  find "$stage" -exec touch -h -d "@$EPOCH" {} +
  # xz in two threads, always, since their number shows in the bytes; at level 3, which takes a fifth of the time of 6.
  SOURCE_DATE_EPOCH=$EPOCH DPKG_DEB_THREADS_MAX=2 dpkg-deb --root-owner-group -Zxz -z3 --build "$stage" "$2/holdfast_${VERSION}_$(debian_architecture).deb" >/dev/null
  rm -rf "$stage"
}
