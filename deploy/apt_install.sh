#!/bin/sh
# Installs, while an image is built, the Debian packages that requirements/*.debian and the command
# line name; where they name none it does nothing.
set -eu
# shellcheck disable=SC2046
set -- "$@" $(cat requirements/*.debian 2>/dev/null || true)
[ $# -gt 0 ] || exit 0
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
