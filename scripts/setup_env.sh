#!/usr/bin/env bash
# Makes the virtual environment and installs a locked set of packages into it, or, where that is
# done already, nothing at all. Needs Python 3.11 or newer with its venv module.
#
#   scripts/setup_env.sh embedded    what the mesh runs on
#   scripts/setup_env.sh dev         the same, and what tests and checks need
#
# PYTHON names the interpreter to use, VENV the folder (.venv).
set -euo pipefail
cd "$(dirname "$0")/.."

set_name=${1:?usage: scripts/setup_env.sh embedded|dev}
lock=requirements/$set_name.lock
build_lock=requirements/build.lock
venv=${VENV:-.venv}
python=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3.14 python3 python; do
    if new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer was not found. On Debian or Ubuntu: sudo apt install python3 python3-venv"
  say "If it is installed under another name: PYTHON=/path/to/python make run"
  exit 1
}

digest() { cat "$build_lock" "$1" pyproject.toml | sha256sum | cut -d' ' -f1; }
stamp() { printf '%s/.installed-%s' "$venv" "$1"; }
is_installed() { [ -x "$python" ] && [ "$(cat "$(stamp "$set_name")" 2>/dev/null)" = "$(digest "$lock")" ]; }

is_installed && exit 0

# Two at once (make run in two terminals) would write over each other.
if command -v flock >/dev/null; then
  exec 9>"$venv.lock"
  flock 9
  is_installed && exit 0
fi

if ! new_enough "$python"; then
  base=$(find_python)
  if ! "$base" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "$base has no venv module. On Debian or Ubuntu: sudo apt install python$version-venv"
    exit 1
  fi
  say "Making $venv with $("$base" --version)"
  "$base" -m venv --clear "$venv"
fi

say "Installing $(grep -c '^[A-Za-z0-9]' "$lock") packages from $lock (once; minutes on a slow line)"
rm -f "$(stamp embedded)" "$(stamp dev)"
pip() { "$python" -m pip --disable-pip-version-check "$@"; }
# The build backend comes from its own lock and is used for every build: nothing unpinned is run.
pip install --quiet --require-hashes -r "$build_lock"
pip install --progress-bar off --require-hashes --no-build-isolation --use-pep517 -r "$lock" |
  { grep -v -e '^Requirement already' -e '^  Using cached' -e '^Processing' >&2 || true; }
pip install --quiet --no-deps --no-build-isolation -e .

digest "$lock" >"$(stamp "$set_name")"
# The dev set holds the embedded one, in the same versions.
if [ "$set_name" = dev ]; then digest requirements/embedded.lock >"$(stamp embedded)"; fi
