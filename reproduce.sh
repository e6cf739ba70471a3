#!/usr/bin/env bash
# Makes .venv once (or uses the virtual environment named by VENV), then hands its words to
# `python -m benchmarks`. A changed requirements.txt installs again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${VENV:-$root/.venv}
wanted=$(cksum < "$root/requirements.txt")

if [ -n "${VENV:-}" ] && [ ! -x "$venv/bin/python" ]; then
  echo "error: VENV is $VENV, but there is no $VENV/bin/python" >&2
  exit 2
fi
[ -z "${VENV:-}" ] || venv=$(cd "$venv" && pwd)
stamp=$venv/.msam-bench-requirements
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  if [ ! -x "$venv/bin/python" ]; then
    python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
      echo "error: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3" >&2
      exit 2
    }
    "$python" -m venv "$venv"
  fi
  echo "installing requirements.txt into $venv (once; a few minutes, about 5 GB)" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$root/requirements.txt"
  echo "$wanted" > "$stamp"
fi

if [ "${1:-}" = test ]; then
  shift
  cd "$root"
  exec "$venv/bin/python" -m pytest --numprocesses auto "$@"
fi
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$venv/bin/python" -P -m benchmarks "$@"
