#!/bin/sh
# Installs what a lock file lists, in those versions and with those hashes, and nothing else: the
# index is asked for no other version. Where that fails it says in a sentence which package is
# concerned and what to do.
#
#   deploy/install_locked.sh PYTHON LOCK [options of pip install]
#
# PYTHON is that of the environment, LOCK a file of requirements/. Other packages may be in the
# environment already; after any lock but build.lock all must fit together (pip check).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
python=$1
lock=$2
shift 2

log=$(mktemp)
trap 'rm -f "$log" "$log.failed"' EXIT
say() { printf '%s\n' "$*" >&2; }
pip() { "$python" -m pip --disable-pip-version-check "$@"; }

# The sentence for what pip said last.
explain() {
  # Where files do not match, pip lists them in lines of "    name==1.0 from ADDRESS:".
  changed=$(sed -n '/DO NOT MATCH THE HASHES/,$s/^ *\([A-Za-z0-9._-]*==[^ ;]*\).* from .*/\1/p' "$log" | sort -u | tr '\n' ' ')
  absent=$(sed -n 's/.*No matching distribution found for \([^ ;]*\).*/\1/p' "$log" | head -n 1)
  unbuilt=$(sed -n 's/.*Failed building wheel for \([^ ]*\).*/\1/p; s/.*Failed to build installable wheels for .*(\(.*\)).*/\1/p' "$log" | head -n 1)
  this=$("$python" -c 'import platform, sys; print("Python %d.%d on %s" % (*sys.version_info[:2], platform.machine()))')
  if [ -n "$changed" ]; then
    say "The package index serves another file for ${changed% } than the one that $lock was made with."
    say "Nothing of it was installed. Find out why before you go on: a mirror or a proxy that alters files, a damaged"
    say "download (pip cache purge), or a package that was replaced. \`make lock ARGS=\"--upgrade-package NAME\"\` locks anew."
  elif grep -q 'No space left on device' "$log"; then
    say "The disk is full. What has come is kept: free some space and give the same command again."
  elif grep -qE 'Max retries exceeded|Connection(Error| broken| refused| reset| timed out| aborted)|NewConnectionError|NameResolutionError|name resolution|ReadTimeout|IncompleteRead|ProxyError|SSLError|Network is unreachable' "$log"; then
    say "The package index could not be reached, or broke off. What has come is kept: give the same command again when"
    say "the network is back. Your own index or proxy is set as for any pip (PIP_INDEX_URL, HTTPS_PROXY, pip.conf)."
  elif [ -n "$absent" ]; then
    say "$absent, which $lock names, cannot be had for $this: it was withdrawn, or the index in use does"
    say "not carry it. Try another index (PIP_INDEX_URL), or lock another version: make lock ARGS=\"--upgrade-package ${absent%%[=<>]*}\""
  elif [ -n "$unbuilt" ]; then
    say "$unbuilt has no ready-made wheel for $this and could not be built. docs/installing.md lists the Pythons"
    say "that need no compiler; PYTHON=/path/to/python names another one."
  else
    say "The installation of $lock failed; pip's own last words are above."
  fi
}

# What pip says of each package besides its download.
noise='^(Requirement already|Collecting|Processing|Looking in|Installing collected|Successfully built|Building wheels|'
noise="$noise +(Using cached|Stored in|Created wheel|Building wheel|Preparing metadata|Getting requirements|Installing build))"
# dash and old bash have no pipefail: the failure is told through a file.
{ pip install --progress-bar off --require-hashes --no-deps --no-build-isolation --use-pep517 \
  "$@" -r "$lock" 2>&1 || touch "$log.failed"; } | tee "$log" |
  { grep -vE "$noise" >&2 || true; }
if [ -e "$log.failed" ]; then
  explain
  exit 1
fi

# The build backend comes first; what an interrupted installation left is not whole before the lock
# that follows.
[ "${lock##*/}" != build.lock ] || exit 0
left_out=$(cat "$here/requirements/left-out.txt" "${lock%.lock}.left-out.txt" 2>/dev/null |
  sed -n 's/^\([A-Za-z0-9._-][A-Za-z0-9._-]*\) .*/ -e requires.\1,.which.is.not.installed/p')
# shellcheck disable=SC2086
if ! pip check >"$log" 2>&1 && grep -v $left_out "$log" >&2; then
  say "The packages of $lock do not fit together (see above): renew it with make lock."
  exit 1
fi
