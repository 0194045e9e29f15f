#!/usr/bin/env bash
# Set everything up and run the tests, in a process a core. Arguments go to pytest:
# `build_scripts/test.sh -m slow`, or `-n 0` for one process.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_scripts/setup.sh
exec .venv/bin/python -m pytest -n logical --maxprocesses 8 --durations=10 "$@"
