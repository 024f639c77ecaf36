# Functions for the other scripts: the project's directory, a suitable Python, the environment in .venv.
# To be sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Print the first of the usual commands that is Python 3.11 or newer.
find_python() {
  local name
  for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  fail "needs Python 3.11 or newer; name one with PYTHON=/path/to/python"
}

# Install the project with the given extras into .venv, unless it is installed already.
install() {
  local extras=$1 python stamp wanted
  stamp=$venv/.installed-${extras//,/-}
  wanted=$(cksum <"$root/pyproject.toml")
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x "$venv/bin/pyskopeo" ] && return
  if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    "$python" -m venv "$venv" || fail "cannot make $venv (on Debian: apt-get install python3-venv)"
  fi
  echo "installing pyskopeo[$extras] into .venv ..." >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root[$extras]" >&2 ||
    fail "pip could not install pyskopeo[$extras]"
  echo "$wanted" >"$stamp"
}
