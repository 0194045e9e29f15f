#!/usr/bin/env bash
# Set everything up and run the main job: digits from training to a bitstream and a report.
# Arguments go to `bnnedge build`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build_scripts/setup.sh
exec .venv/bin/bnnedge build digits -o build/digits --replace "$@"
