#!/usr/bin/env bash
# Makes the virtual environment and installs a locked set of packages into it, or, where that is
# done already, nothing at all. What was interrupted goes on where it stopped.
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
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
# The Pythons that the locked packages have wheels for (scripts/check_locks.sh).
fits() {
  case $(version_of "$1") in
    3.11 | 3.12 | 3.13 | 3.14) ;;
    *) return 1 ;;
  esac
}

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3.14 python3 python; do
    if fits "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
    if [ "$candidate" = "${PYTHON:-}" ]; then
      say "PYTHON=$PYTHON is no Python 3.11 to 3.14 ($(version_of "$PYTHON" || echo "it does not run"))"
      exit 1
    fi
  done
  say "No Python 3.11, 3.12, 3.13 or 3.14 was found. On Debian or Ubuntu: sudo apt install python3 python3-venv"
  say "If it is installed under another name: PYTHON=/path/to/python make run"
  exit 1
}

require_linux() {
  local system
  system=$("$1" -c 'import platform; print(platform.system(), platform.libc_ver()[0] or "-", platform.machine())')
  case $system in
    "Linux glibc x86_64" | "Linux glibc aarch64") ;;
    *)
      say "The locked packages are for Linux with glibc on x86-64 or aarch64; this is $system."
      say "In containers (make up) the mesh runs wherever Linux containers do."
      exit 1
      ;;
  esac
}

digest() { cat "$build_lock" "$1" pyproject.toml | sha256sum | cut -d' ' -f1; }
stamp() { printf '%s/.installed-%s' "$venv" "$1"; }
# An environment of another Python than the one that PYTHON asks for is no environment yet.
is_made() {
  fits "$python" && "$python" -m pip --version >/dev/null 2>&1 &&
    { [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$python")" ]; }
}
is_installed() {
  [ "$(cat "$(stamp "$set_name")" 2>/dev/null)" = "$(digest "$lock")" ] && is_made
}

is_installed && exit 0

# Two at once (make run in two terminals) would write over each other.
if command -v flock >/dev/null; then
  exec 9>"$venv.lock"
  flock 9
  is_installed && exit 0
fi

if ! is_made; then
  base=$(find_python)
  require_linux "$base"
  if ! "$base" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    say "$base has no venv module. On Debian or Ubuntu: sudo apt install python$(version_of "$base")-venv"
    exit 1
  fi
  say "Making $venv with $("$base" --version)"
  "$base" -m venv --clear "$venv"
fi

say "Installing $(grep -c '^[A-Za-z0-9]' "$lock") packages from $lock (once; minutes on a slow line)"
rm -f "$(stamp embedded)" "$(stamp dev)"
# A package that was being written when pip was killed may look installed: all are written again then,
# from pip's cache.
again=()
if [ -e "$venv/.installing" ]; then again=(--force-reinstall); fi
touch "$venv/.installing"
# The build backend comes from its own lock and is used for every build: nothing unpinned is run.
deploy/install_locked.sh "$python" "$build_lock" --quiet
deploy/install_locked.sh "$python" "$lock" "${again[@]}"
"$python" -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
rm "$venv/.installing"
if ! "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
  say "The embedded language model needs one more library. On Debian or Ubuntu: sudo apt install libgomp1"
fi

digest "$lock" >"$(stamp "$set_name")"
# The dev set holds the embedded one, in the same versions.
if [ "$set_name" = dev ]; then digest requirements/embedded.lock >"$(stamp embedded)"; fi
