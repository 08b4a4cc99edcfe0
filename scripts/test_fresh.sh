#!/usr/bin/env bash
# Both README commands as on a new machine: a new clone of HEAD, a throw-away home (so empty caches),
# and the oldest and the newest pip. Gigabytes of downloads and half an hour: to be run weekly.
#
#   scripts/test_fresh.sh [oldest newest]    both where none is named
#
# PYTHON names the interpreter to use.
set -euo pipefail
cd "$(dirname "$0")/.."

# The pip that comes with the first release of Python 3.11.
oldest_pip=22.3
repository=$PWD
python=$("${PYTHON:-python3}" -c 'import sys; print(sys.executable)')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say() { printf '\n== %s\n' "$*"; }

# Recordings in three formats, read back by the mesh at $1.
round_trip() {
  local url=$1 folder=$scratch/sounds file text
  mkdir -p "$folder"
  local sentence="He might even have been made amiable himself."
  curl -sSf "$url/synthesize" -H 'Content-Type: application/json' -d "{\"text\": \"$sentence\"}" -o "$folder/a.wav"
  curl -sSf "$url/v1/audio/speech" -H 'Content-Type: application/json' \
    -d "{\"input\": \"$sentence\", \"model\": \"tts-1\", \"voice\": \"alloy\"}" -o "$folder/a.mp3"
  cp stt_service/recognition/data/self_test.webm "$folder/a.webm"
  for file in "$folder"/a.*; do
    text=$(curl -sSf "$url/transcribe" -F "audio_file=@$file")
    case $text in
      *[Aa]miable*) echo "${file##*/}: read back right" ;;
      *) echo "${file##*/}: read as $text" >&2 && return 1 ;;
    esac
  done
}

try() {
  local pip=$1 started=$SECONDS log=$scratch/$1.log mesh=
  # The group: make, the mesh and its services.
  trap '[ -z "${mesh:-}" ] || kill -- "-$mesh" 2>/dev/null || true' EXIT
  export HOME=$scratch/home-$pip VENV=.venv
  unset XDG_CACHE_HOME VOICEMESH_HOME PIP_CACHE_DIR
  mkdir "$HOME"
  git clone -q "$repository" "$scratch/clone-$pip"
  cd "$scratch/clone-$pip"
  export VOICEMESH_SPEECH=${VOICEMESH_SPEECH:-$repository/../shared/speech}
  "$python" -m venv .venv
  if [ "$pip" = oldest ]; then
    .venv/bin/python -m pip install --quiet "pip==$oldest_pip"
  else
    .venv/bin/python -m pip install --quiet --upgrade pip
  fi
  say "make run with $(.venv/bin/python -m pip --version | cut -d' ' -f1,2) on $("$python" --version)"
  setsid make run ARGS="--port 18400" >"$log" 2>&1 &
  mesh=$!
  until grep -q 'mesh    ready in' "$log"; do
    kill -0 "$mesh" 2>/dev/null || { tail -n 30 "$log" >&2 && return 1; }
    sleep 1
  done
  echo "ready after $((SECONDS - started)) s: $(du -sh .venv | cut -f1) of packages, $(du -sh "$HOME/.cache/voicemesh/models" | cut -f1) of models"
  round_trip http://127.0.0.1:18400
  kill -- "-$mesh"
  wait "$mesh" || true
  mesh=
  say "make test"
  make test
  cd "$repository"
  rm -rf "$scratch/clone-$pip" "$HOME"
}

[ $# -gt 0 ] || set -- oldest newest
for each; do
  (try "$each")
done
say "Green with the pip: $*"
