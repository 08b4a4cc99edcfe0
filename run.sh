#!/usr/bin/env bash
# The same as `make run`, for machines without make. Options go to `mesh up`: ./run.sh --port 9000
set -euo pipefail
cd "$(dirname "$0")"
scripts/setup_env.sh embedded
exec "${VENV:-.venv}/bin/mesh" up "$@"
