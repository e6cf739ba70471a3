#!/usr/bin/env bash
# Makes .venv once (or uses the virtual environment named by VENV), then hands its words to
# `python -m benchmarks`. A changed requirements.txt installs again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

venv=${VENV:-.venv}
stamp=$venv/.requirements.cksum
wanted=$(cksum < requirements.txt)

if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  python=${PYTHON:-python3}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3" >&2
    exit 2
  }
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  echo "installing requirements.txt into $venv (once; a few minutes, about 5 GB)" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
  echo "$wanted" > "$stamp"
fi

if [ "${1:-}" = test ]; then
  shift
  exec "$venv/bin/python" -m pytest "$@"
fi
exec "$venv/bin/python" -m benchmarks "$@"
