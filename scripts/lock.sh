#!/usr/bin/env bash
# Resolves requirements/*.lock anew: exact versions and hashes for Linux on x86-64 and aarch64,
# Python 3.11 and newer. Pins that still fit are kept; `scripts/lock.sh --upgrade` takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check uv==0.13.8

resolve() {
  local output=$1
  shift
  echo "resolving $output"
  # Where packages come from is the user's own configuration and no business of the lock.
  "$scratch/venv/bin/uv" pip compile "$@" --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --output-file "$output"
}

resolve requirements/build.lock requirements/build.in "$@"
resolve requirements/embedded.lock pyproject.toml --extra embedded -c requirements/build.lock "$@"
resolve requirements/dev.lock pyproject.toml --extra embedded --extra dev --extra emulators \
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

# The torch engines. torch itself is installed first, from whichever build suits the machine, and
# brings the CUDA libraries that it wants: neither may be pinned here to those of another build.
of_torch=(
  torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti
  nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand
  nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink
  nvidia-nvshmem-cu13 nvidia-nvtx
)
# C extensions that NeMo asks for and that nothing here imports: Japanese pronunciation, and the text
# normaliser's differences. They would need a compiler wherever the engines are installed.
unused=(pyopenjtalk cdifflib)
unused=("${unused[@]/#/--no-emit-package=}")
# NeMo's lightning pins old versions of common packages, so that these locks stand alone.
resolve requirements/engines.lock pyproject.toml --extra engines --extra embedded --extra dev \
  "${of_torch[@]/#/--no-emit-package=}" "${unused[@]}" -c requirements/build.lock "$@"

# The images of the GPU engines: torch as the index has it, CUDA libraries included.
for image in tts-nemo tts-xtts stt-parakeet stt-whisper; do
  resolve "requirements/$image.lock" pyproject.toml --extra "$image" "${unused[@]}" \
    -c requirements/build.lock "$@"
done
