#!/bin/sh
# The user that a service runs as, and the folders that it may write to: volumes take over the
# owner from here. The number is fixed, so that files in a volume keep their owner over rebuilds.
set -eu
groupadd --gid 10001 voicemesh
useradd --uid 10001 --gid voicemesh --no-create-home --home-dir /var/lib/voicemesh \
  --shell /usr/sbin/nologin voicemesh
install -d -o voicemesh -g voicemesh /var/lib/voicemesh /var/lib/voicemesh/models /voices
