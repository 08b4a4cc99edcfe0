#!/usr/bin/env bash
# Runs the tests that matter on every supported Python that this machine has: unit and contract
# tests, and the whole mesh; those of audio once more with the newest PyAV. Names those it has not.
#
#   scripts/test_pythons.sh [3.12 3.13 …]    all of 3.11 to 3.14 where none is named
#
# Environments are kept outside the checkout, by lock files and Python: PYTHONS_HOME, else
# ~/.cache/voicemesh-pythons.
set -uo pipefail
cd "$(dirname "$0")/.."

home=${PYTHONS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/voicemesh-pythons}
digest=$(cat requirements/{build,dev,av-newest}.lock | sha256sum | cut -c1-12)
say() { printf '\n== %s\n' "$*"; }

find_python() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3 \
    "$HOME"/.local/share/uv/python/cpython-"$1".*/bin/python3; do
    if [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

[ $# -gt 0 ] || set -- 3.11 3.12 3.13 3.14
absent=() green=() red=()
for version; do
  if ! python=$(find_python "$version"); then
    absent+=("$version")
    continue
  fi
  say "Python $version: $python"
  export VENV=$home/$digest-$version
  mkdir -p "$home"
  # The project itself is installed again each time: the environment may be another checkout's.
  if ! { PYTHON=$python scripts/setup_env.sh dev &&
    "$VENV/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e . &&
    "$VENV/bin/mesh" download; }; then
    red+=("$version (installation)")
    continue
  fi
  if "$VENV/bin/python" -m pytest -q tests/unit tests/contract tests/e2e/test_whole_mesh.py; then
    green+=("$version")
  else
    red+=("$version")
  fi
  # There is no wheel of it for 3.11.
  [ "$version" != 3.11 ] || continue
  say "Python $version with $(grep -o '^av==[0-9.]*' requirements/av-newest.lock)"
  newest=$VENV-av
  if [ ! -e "$newest/.complete" ]; then
    rm -rf "$newest"
    "$VENV/bin/python" -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps \
      --target "$newest" -r requirements/av-newest.lock && touch "$newest/.complete"
  fi
  if PYTHONPATH=$newest "$VENV/bin/python" -m pytest -q tests/unit/shared/audio \
    tests/unit/stt_service tests/unit/tts_service/{sound,synthesis,voices} \
    tests/contract/test_stt_engines.py tests/e2e/test_openai_sdk.py; then
    green+=("$version with the newest PyAV")
  else
    red+=("$version with the newest PyAV")
  fi
done

list() { local IFS=,; printf '%s' "${*:-none}" | sed 's/,/, /g'; }
say "Green: $(list ${green[@]+"${green[@]}"})"
echo "== Not on this machine: $(list ${absent[@]+"${absent[@]}"})"
echo "== Red: $(list ${red[@]+"${red[@]}"})"
[ ${#green[@]} -gt 0 ] || [ ${#red[@]} -gt 0 ] || echo "== Nothing was tested: none of $* is here"
[ ${#red[@]} -eq 0 ]
