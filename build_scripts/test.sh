#!/usr/bin/env bash
# Set everything up and run the tests. Arguments go to pytest: `build_scripts/test.sh -m slow`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_scripts/setup.sh
exec .venv/bin/python -m pytest --durations=10 "$@"
