#!/usr/bin/env bash
# Makes an image of a Debian release with its own Python, for machines that reach Debian's packages
# and no image registry: debian.sh SUITE IMAGE. Needs root and debootstrap; DOCKER_HOST as usual.
set -euo pipefail
suite=$1 image=$2
root=${VOICEMESH_DOCKER_STATE:-/var/tmp/voicemesh-docker}/rootfs-$suite
mirror=$( (cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true) |
  awk '/^URIs:/{print $2; exit} /^deb /{for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}')
certificates=/etc/ssl/certs/ca-certificates.crt
if [ ! -e "$root/.done" ]; then
  rm -rf "$root"
  # An older debootstrap does not know the names of later releases; their recipe is sid's.
  recipe=/usr/share/debootstrap/scripts/$suite
  [ -e "$recipe" ] || recipe=/usr/share/debootstrap/scripts/sid
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
    "$suite" "$root" "$mirror" "$recipe" >&2
  cp "$certificates" "$root$certificates"
  ln -sf /usr/bin/python3 "$root/usr/local/bin/python"
  rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
  touch "$root/.done"
fi
tar -C "$root" -c . | docker import \
  -c "ENV PIP_CERT=$certificates SSL_CERT_FILE=$certificates REQUESTS_CA_BUNDLE=$certificates" - "$image" >&2
