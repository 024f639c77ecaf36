# Functions for sid_skopeo, sid_crane and sid_root: packages of Debian sid, downloaded from this machine's own mirror and verified
# with this machine's keys; nothing of the machine is changed. To be sourced after common.sh.

peers=$root/.peers

# sid_download DIRECTORY PACKAGE...: download packages, with all that they need down to the C library, into DIRECTORY.
sid_download() {
  local directory=$1 needed uri keys signed
  shift
  for needed in apt-get dpkg-deb; do
    command -v "$needed" >/dev/null 2>&1 || fail "needs $needed"
  done

  # As apt itself reads the machine's sources: the address of a mirror of Debian.
  # shellcheck disable=SC2016  # the name is apt-get's
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$') ||
    fail "no mirror of Debian is among this machine's package sources"
  # The keys of Debian's archive; without this file, all keys that apt trusts.
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keys" ] && signed="[signed-by=$keys] " || signed=

  local lists=$peers/lists
  mkdir -p "$lists"/state/lists/partial "$lists"/cache "$lists"/none "$directory/partial"
  echo "deb $signed$uri sid main" >"$lists/sources.list"
  # An empty list of installed packages, so that everything is downloaded.
  : >"$lists/status"
  local apt=(
    apt-get --quiet --quiet --yes --no-install-recommends
    -o Dir::Etc::SourceList="$lists/sources.list" -o Dir::Etc::SourceParts="$lists/none"
    -o Dir::Etc::Preferences="$lists/none/none" -o Dir::Etc::PreferencesParts="$lists/none"
    -o Dir::State="$lists/state" -o Dir::State::status="$lists/status"
    -o Dir::Cache="$lists/cache" -o Dir::Cache::archives="$directory"
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::GzipIndexes=true
  )
  # These scripts run one after the other: the others use the list of packages of the first.
  if [ -z "$(find "$lists/updated" -mmin -60 2>/dev/null)" ]; then
    "${apt[@]}" update >&2 || fail "apt-get cannot read the packages of sid"
    touch "$lists/updated"
  fi
  "${apt[@]}" --download-only install "$@" >&2 || fail "apt-get cannot download $* of sid"
}

# sid_unpack_programs DIRECTORY ARCHIVES PROGRAM...: download the packages that are named like programs into ARCHIVES, and
# unpack these programs into DIRECTORY/sid, with the libraries that they need. DIRECTORY/bin/PROGRAM runs each.
sid_unpack_programs() {
  local directory=$1 archives=$2 package program loader
  shift 2
  mkdir -p "$directory"/{all,sid,bin}
  sid_download "$archives" "$@"
  for package in "$archives"/*.deb; do
    dpkg-deb --extract "$package" "$directory/all"
  done
  for program in "$@"; do
    mv "$directory/all/usr/bin/$program" "$directory/sid/"
  done
  mv "$(dirname "$(find "$directory/all/usr/lib" -name libc.so.6)")" "$directory/sid/lib"
  rm -rf "$directory/all"
  loader=$(cd "$directory/sid" && echo lib/ld-linux*.so.*)
  # Through their own loader, and so with their own libraries, they see this machine's files.
  for program in "$@"; do
    cat >"$directory/bin/$program" <<END
#!/bin/sh
sid=\${0%/*}/../sid
exec "\$sid/$loader" --argv0 $program --inhibit-cache --library-path "\$sid/lib" "\$sid/$program" "\$@"
END
    chmod 755 "$directory/bin/$program"
  done
}
