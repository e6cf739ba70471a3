#!/usr/bin/env bash
# Installs what the verb needs, then hands its words to `python -m benchmarks`.
#
# Help needs no installation. Verbs that read results need requirements-read.txt (half a minute),
# verbs that train need requirements.txt (5 GB). Both go into .venv, or into the virtual environment
# named by VENV. A stamp there tells what is installed; changed requirements are installed again.

# Any shell may be told to run this file; what follows the next line needs bash.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

# With CDPATH, cd prints the folder. A Python home or a target of the caller's would take the place
# of the virtual environment.
unset CDPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX UV_TARGET UV_PREFIX

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

# Whether these requirements, `read` or `all`, are installed as the files say now.
installed() {
  [ -x "$venv/bin/python" ] || return 1
  case $(cat "$stamp" 2>/dev/null) in
    "$stamp_all") true ;;
    "$stamp_read") [ "$1" = read ] ;;
    *) false ;;
  esac
}

check_python() {
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"
}

# Waits until no other process installs. File descriptor 9 is the lock file; the lock goes when all
# processes that hold the descriptor have ended. Without locks on the file system, nothing waits.
wait_for_lock() {
  "$python" -c '
import fcntl
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("waiting for another process that is installing", flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
' >&2 2> /dev/null || true
}

# `pip install` with these words; by uv, which is faster, where it is there. uv does not read pip's
# settings, so it may fail where pip succeeds.
pip_install() {
  if command -v uv > /dev/null; then
    uv pip install --quiet --python "$venv/bin/python" "$@" && return
    [ $? -lt 128 ] || exit 130
    echo "uv failed; trying pip" >&2
  fi
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# Installs `read` or `all` if that is not done.
install() {
  installed "$1" && return
  [ -n "${VENV:-}" ] || check_python
  mkdir -p "$venv"
  (
    exec 9> "$venv/.msam-bench-lock"
    wait_for_lock
    installed "$1" && exit
    # Without a stamp, a first installation may have been interrupted anywhere.
    if [ -z "${VENV:-}" ] && ! { [ -x "$venv/bin/python" ] && [ -e "$stamp" ]; }; then
      "$python" -m venv "$venv"
    fi
    if [ "$1" = read ]; then
      echo "installing requirements-read.txt into $venv (once; half a minute, 0.4 GB)" >&2
      # Compiling all files takes as long as downloading them; Python compiles those it imports.
      pip_install --no-compile -r "$root/requirements-read.txt"
      echo "$stamp_read" > "$stamp"
    else
      echo "installing requirements.txt into $venv (once; a few minutes, about 5 GB;" \
        "docs/installation.md has a smaller one for CPUs)" >&2
      if [ -n "${TORCH_INDEX_URL:-}" ]; then
        # shellcheck disable=SC2046  # three words, such as torch==2.11.0
        pip_install --no-deps --index-url "$TORCH_INDEX_URL" \
          $(grep -E '^torch(vision|audio)?==' "$root/requirements.txt")
      fi
      pip_install -r "$root/requirements.txt"
      echo "$stamp_all" > "$stamp"
    fi
  )
}

# Whether Python's standard library is enough for the answer.
asks_for_help() {
  local word
  case ${1:-} in
    "" | help | --version) return 0 ;;
  esac
  for word in "$@"; do
    case $word in
      -h | --help) return 0 ;;
    esac
  done
  return 1
}

root=$(folder_of_script)
case $root in
  *:*) fail "the path $root has a colon, which separates Python's search paths; move the checkout" ;;
esac
python=$(expanded "${PYTHON:-python3}")
if [ -n "${VENV:-}" ]; then
  given=$(expanded "$VENV")
  [ -x "$given/bin/python" ] || fail "VENV is $VENV, but there is no $given/bin/python"
  venv=$(cd -- "$given" && pwd)
else
  venv=$root/.venv
fi
stamp=$venv/.msam-bench-requirements
stamp_read="read $(cksum < "$root/requirements-read.txt")"
stamp_all="all $(cat "$root/requirements-read.txt" "$root/requirements.txt" | cksum)"

# Files, paths and pipes are UTF-8, whatever the locale says.
export PYTHONUTF8=1
suite_path=$root${PYTHONPATH:+:$PYTHONPATH}
if [ "${1:-}" = test ]; then
  install all
  shift
  cd "$root"
  exec "$venv/bin/python" -m pytest --numprocesses auto "$@"
fi
if asks_for_help "$@"; then
  # The virtual environment has what makes help pretty; any Python can print it.
  if installed read; then
    python=$venv/bin/python
  else
    check_python
  fi
  PYTHONPATH=$suite_path exec "$python" -P -m benchmarks "$@"
fi
install read
if ! installed all; then
  # A mistyped call needs no more than that: Python then says what is wrong with it.
  ask='import sys; from benchmarks.cli.verbs import requirements; print(requirements(sys.argv[1:]))'
  needed=$(PYTHONPATH=$suite_path "$venv/bin/python" -P -c "$ask" "$@")
  [ "$needed" = read ] || install all
fi
PYTHONPATH=$suite_path exec "$venv/bin/python" -P -m benchmarks "$@"
