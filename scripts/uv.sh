#!/usr/bin/env bash
# Runs uv, which resolves and checks the locks, in its pinned version. It is installed once, outside
# the checkout (~/.cache/voicemesh-uv).
set -euo pipefail
version=0.13.8
home=${XDG_CACHE_HOME:-$HOME/.cache}/voicemesh-uv/$version
if [ ! -e "$home/.complete" ]; then
  python3 -m venv --clear "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check "uv==$version" >&2
  touch "$home/.complete"
fi
exec "$home/bin/uv" "$@"
