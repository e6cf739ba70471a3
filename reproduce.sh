#!/usr/bin/env bash
# Makes .venv once (or uses the virtual environment named by VENV), then hands its words to
# `python -m benchmarks`. A changed requirements.txt installs again.

# Any shell may be told to run this file; what follows the next line needs bash.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

# With CDPATH, cd prints the folder. A Python home or a pip target of the caller's would take the
# place of the virtual environment.
unset CDPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

fail() {
  echo "error: $1" >&2
  exit 2
}

# The folder of this file, also when it is called through links.
folder_of_script() {
  local script=${BASH_SOURCE[0]} target
  while [ -L "$script" ]; do
    target=$(readlink "$script")
    case $target in
      /*) script=$target ;;
      *) script=$(dirname "$script")/$target ;;
    esac
  done
  cd -P -- "$(dirname "$script")" && pwd
}

# A path in which ~ is still the home folder: no shell has seen one that a container was given.
expanded() {
  case $1 in
    "~" | "~/"*) echo "${HOME:-}${1#"~"}" ;;
    *) echo "$1" ;;
  esac
}

root=$(folder_of_script)
case $root in
  *:*) fail "the path $root has a colon, which separates Python's search paths; move the checkout" ;;
esac
wanted=$(cksum < "$root/requirements.txt")
if [ -n "${VENV:-}" ]; then
  given=$(expanded "$VENV")
  [ -x "$given/bin/python" ] || fail "VENV is $VENV, but there is no $given/bin/python"
  venv=$(cd -- "$given" && pwd)
else
  venv=$root/.venv
fi
stamp=$venv/.msam-bench-requirements
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  if [ ! -x "$venv/bin/python" ]; then
    python=$(expanded "${PYTHON:-python3}")
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      fail "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"
    "$python" -m venv "$venv"
  fi
  echo "installing requirements.txt into $venv (once; a few minutes, about 5 GB)" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$root/requirements.txt"
  echo "$wanted" > "$stamp"
fi

# Files, paths and pipes are UTF-8, whatever the locale says.
export PYTHONUTF8=1
if [ "${1:-}" = test ]; then
  shift
  cd "$root"
  exec "$venv/bin/python" -m pytest --numprocesses auto "$@"
fi
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$venv/bin/python" -P -m benchmarks "$@"
