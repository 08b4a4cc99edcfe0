#!/bin/sh
# Makes /opt/venv from a locked set of packages while an image is built.
#
#   deploy/make_env.sh tts    from requirements/tts.lock
set -eu
lock=requirements/$1.lock

python -m venv /opt/venv
pip() { /opt/venv/bin/python -m pip --disable-pip-version-check --no-cache-dir "$@"; }
# The build backend comes from its own lock: nothing unpinned is run.
pip install --quiet --require-hashes -r requirements/build.lock
pip install --quiet --progress-bar off --require-hashes --no-build-isolation --use-pep517 -r "$lock"
pip check
# Nothing is installed into a running container; some packages need setuptools at run time.
grep -q '^setuptools==' "$lock" || pip uninstall --quiet --yes setuptools
pip uninstall --quiet --yes pip
