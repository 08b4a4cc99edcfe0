#!/bin/sh
# Makes /opt/venv from a locked set of packages while an image is built.
#
#   deploy/make_env.sh tts             from requirements/tts.lock
#   deploy/make_env.sh cli with-pip    and pip stays in it
set -eu
lock=requirements/$1.lock
venv=/opt/venv

python -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
# The build backend comes from its own lock: nothing unpinned is run.
for each in requirements/build.lock "$lock"; do
  deploy/install_locked.sh "$venv/bin/python" "$each" --no-cache-dir --quiet
done
# Nothing is installed into a running container; some packages need setuptools at run time.
grep -q '^setuptools==' "$lock" || pip uninstall --yes setuptools
[ "${2:-}" = with-pip ] || pip uninstall --yes pip
# A name for CUDA libraries that holds for every version of Python.
libraries=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia
if [ -d "$libraries" ]; then ln -s "$libraries" "$venv/nvidia"; fi
