#!/usr/bin/env bash
# Resolves requirements/*.lock anew: exact versions and hashes for Linux on x86-64 and aarch64,
# Python 3.11 and newer, and one version of a package for all of them where there is one, so that
# what is tested on one Python runs on the others. Pins that still fit are kept; `--upgrade` takes
# the newest, `--upgrade-package NAME` that of one package.
set -euo pipefail
cd "$(dirname "$0")/.."

resolve() {
  local output=$1
  shift
  echo "resolving $output"
  # Where packages come from is the user's own configuration and no business of the lock.
  scripts/uv.sh pip compile "$@" --quiet --universal --python-version "${oldest:-3.11}" --fork-strategy fewest \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --output-file "$output"
}

resolve requirements/build.lock requirements/build.in "$@"
oldest=3.12 resolve requirements/av-newest.lock requirements/av-newest.in "$@"
resolve requirements/embedded.lock pyproject.toml --extra embedded -c requirements/build.lock "$@"
resolve requirements/dev.lock pyproject.toml --extra embedded --extra dev \
  --extra emulators --extra parallel-tests \
  -c requirements/build.lock -c requirements/embedded.lock "$@"
# What the image of each service installs, in the versions that were tested.
of_image() {
  local image=$1
  shift
  resolve "requirements/$image.lock" pyproject.toml "$@" \
    -c requirements/build.lock -c requirements/embedded.lock -c requirements/dev.lock
}
of_image gateway "$@"
of_image tts --extra tts-image "$@"
for image in stt agent cli; do
  of_image "$image" --extra "$image" "$@"
done

# Options that leave out the packages which a file lists, "name  reason" a line.
without() { sed -n 's/^\([A-Za-z0-9._-][A-Za-z0-9._-]*\) .*/--no-emit-package=\1/p' "$1"; }
mapfile -t unused < <(without requirements/left-out.txt)
mapfile -t of_torch < <(without requirements/engines.left-out.txt)
# NeMo's lightning pins old versions of common packages, so that these locks stand alone.
resolve requirements/engines.lock pyproject.toml --extra engines --extra embedded --extra dev \
  "${of_torch[@]}" "${unused[@]}" -c requirements/build.lock "$@"

# The images of the GPU engines: torch as the index has it, CUDA libraries included.
for image in tts-nemo tts-xtts stt-parakeet stt-whisper; do
  resolve "requirements/$image.lock" pyproject.toml --extra "$image" "${unused[@]}" \
    -c requirements/build.lock "$@"
done
