#!/usr/bin/env bash
# Makes the environment of the torch engines (NeMo, XTTS, Parakeet: 3.4 GB) and prints its Python.
# It lies outside the checkout, one per lock file: ENGINES_HOME, else ~/.cache/voicemesh-engines.
# PYTHON names the interpreter to use.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=requirements/engines.lock
torch=torch==2.13.0
home=${ENGINES_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/voicemesh-engines}
venv=$home/$(cat "$lock" requirements/build.lock requirements/*left-out.txt "$0" | sha256sum | cut -c1-16)
python=$venv/bin/python
say() { printf '%s\n' "$*" >&2; }

mkdir -p "$home"
if command -v flock >/dev/null; then
  exec 9>"$venv.lock"
  flock 9
fi
if [ ! -e "$venv/.complete" ]; then
  say "Making $venv (once; minutes, gigabytes)"
  "${PYTHON:-python3}" -m venv --clear "$venv"
  pip() { "$python" -m pip --disable-pip-version-check --quiet "$@" >&2; }
  deploy/install_locked.sh "$python" requirements/build.lock --quiet
  # The build for this machine: with CUDA from the index, without where pip is given one.
  pip install "$torch"
  deploy/install_locked.sh "$python" "$lock" --quiet
  if [ "$("$python" -c 'import torch; print(torch.version.cuda)')" = None ]; then
    # torchaudio is published with CUDA only; on such a torch its extension breaks its import, and
    # what is used of it here needs no extension.
    rm -f "$venv"/lib/python3.*/site-packages/torchaudio/lib/_torchaudio.abi3.so
  fi
  touch "$venv/.complete"
fi
printf '%s\n' "$python"
