# Sourced by scripts/build-image.sh and scripts/release.sh, with ROOT and NODE set by scripts/setup.sh: lays out the
# program as it runs anywhere, without what only developers need. The image and the tarball are the same files.
#
# What was put where is appended to the file PACKAGES, one `npm NAME@VERSION`, `node VERSION` or `debian NAME VERSION` a
# line, set by the caller.

lay_out_fail() {
  echo "${0##*/}: $1" >&2
  exit 1
}

# Our own, and the production packages as npm installed them here, below $1.
lay_out_program() {
  app=$1
  mkdir -p "$app/node_modules"
  cp -r "$ROOT/src" "$ROOT/dist" "$ROOT/package.json" "$ROOT/LICENSE" "$app/"
  rm -f "$app/dist/page/.sources"
  (cd "$ROOT" && "$(command -v npm)" ls --omit=dev --omit=optional --all --parseable --long 2>/dev/null) | tail -n +2 |
    while IFS=: read -r path name _; do
      case $name in @types/*) continue ;; esac
      relative=${path#"$ROOT"/}
      mkdir -p "$app/${relative%/*}"
      cp -r "$path" "$app/$relative"
      echo "npm $name" >>"$PACKAGES"
    done
  [ -d "$app/node_modules/@kubernetes/client-node" ] && [ -d "$app/node_modules/xstate" ] ||
    lay_out_fail 'npm ls named no packages: run scripts/setup.sh --fresh'
  [ -r "$app/dist/page/index.html" ] || lay_out_fail 'the page is not built: run scripts/build-page.ts to see why'
  lay_out_prune "$app/node_modules"
}

# Deletes what no program runs: declarations, maps, sources of what is compiled, builds for other systems. Licences stay,
# those of headers that were compiled in as well.
lay_out_prune() {
  (
    cd "$1"
    find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.md' \) \
      ! -path './raw-socket/README*' ! -iname '*licen[cs]e*' ! -iname '*copying*' ! -iname '*notice*' -delete
    rm -rf rxjs/src rxjs/dist/bundles rxjs/dist/types rxjs/dist/esm5 zod/src xstate/dist/*.umd.* koffi/doc \
      @koromix/koffi-*/musl_* .bin
    find nan koffi/vendor -type f ! -iname 'licen[cs]e*' ! -name package.json -delete
    find raw-socket -mindepth 1 -maxdepth 1 ! -name package.json ! -name index.js ! -name build ! -name 'README*' -exec rm -rf {} +
    find raw-socket/build -type f ! -path '*/build/Release/raw.node' -delete
    find koffi -type f \( -name '*.cc' -o -name '*.hh' -o -name '*.h' -o -name '*.S' -o -name '*.asm' -o -name CMakeLists.txt \) -delete
    find . -depth -type d -name prebuilds -exec rm -rf {} +
    find . -depth -type d -empty -delete
  )
}

# Node at the path $1, without the symbols that only a debugger of Node itself reads (150 → 116 MB).
lay_out_node() {
  cp "$NODE" "$1"
  strip --strip-all "$1"
  echo "node $("$NODE" --version)" >>"$PACKAGES"
}

# The shared libraries that Node and the addons below the folders $@ ask for here, one path a line.
lay_out_libraries() {
  find "$@" \( -name node -o -name '*.node' \) -type f -exec ldd {} + 2>/dev/null |
    sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | sort -u
}

# Copies the library $1 to the path $2 and its Debian package's licence to the folder $3/PACKAGE.
lay_out_library() {
  mkdir -p "${2%/*}"
  cp -L "$1" "$2"
  owner=$(dpkg-query -S "$(readlink -f "$1")" 2>/dev/null || dpkg-query -S "$1") || lay_out_fail "no Debian package owns $1"
  package=${owner%%: /*}
  mkdir -p "$3/${package%%:*}"
  cp "/usr/share/doc/${package%%:*}/copyright" "$3/${package%%:*}/copyright"
  dpkg-query -W -f 'debian ${Package} ${Version}\n' "$package" >>"$PACKAGES"
}

# Times and revision are those of the commit, so that one commit on one Debian gives one result.
lay_out_epoch() {
  git -C "$ROOT" log -1 --format=%ct 2>/dev/null || echo 0
}
