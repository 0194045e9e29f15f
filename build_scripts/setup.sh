#!/usr/bin/env bash
# Make .venv with bnnedge and everything it needs. Does nothing where that is done already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v g++ >/dev/null || { echo "setup: g++ is missing: apt install g++" >&2; exit 1; }
python=""
for candidate in "${PYTHON:-}" python3 python3.12 python3.11 python3.13; do
  [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    && { python=$candidate; break; }
done
[ -n "$python" ] || { echo "setup: Python 3.11 or newer is missing: apt install python3 python3-venv" >&2; exit 1; }

here=$("$python" --version; pwd)
wanted=$(echo "$here"; cat pyproject.toml build_scripts/{constraints.txt,setup.sh} | sha256sum)
if [ "$(cat .venv/ready 2>/dev/null)" = "$wanted" ]; then
  echo "setup: .venv is ready"
  exit 0
fi
# One that was whole, of this Python and at this place, is brought up to date.
if [ "$(head -n 2 .venv/ready 2>/dev/null)" = "$here" ]; then
  echo "setup: bringing .venv up to date"
  rm .venv/ready
else
  echo "setup: making .venv with $("$python" --version) (PyTorch is a download of about 3 GB)"
  rm -rf .venv
  "$python" -m venv .venv || { echo "setup: cannot make .venv: apt install python3-venv" >&2; exit 1; }
fi
install() {
  # editable_mode=compat: a path. By setuptools' own finder, a folder named bnnedge beside a script,
  # such as this clone, would hide the package.
  .venv/bin/python -m pip install --disable-pip-version-check \
    --config-settings editable_mode=compat \
    --constraint build_scripts/constraints.txt --editable '.[all,dev]' "$@"
}
if [ -t 1 ]; then
  install --progress-bar=on
else  # a line for what takes long
  install --progress-bar=off | sed -un \
    -e 's/^ *\(Downloading .*([0-9]\{3,\}[0-9.]* [MG]B).*\)/setup: \1/p' \
    -e 's/^Installing collected packages:.*/setup: installing what was downloaded (silent for a few minutes)/p'
fi
echo "$wanted" >.venv/ready
echo "setup: .venv is ready"
