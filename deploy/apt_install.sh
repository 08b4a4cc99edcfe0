#!/bin/sh
# Installs Debian packages while an image is built; called without any it does nothing.
set -eu
[ $# -gt 0 ] || exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/*
