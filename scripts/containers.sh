#!/usr/bin/env bash
# The mesh in containers, with whichever Compose is installed: v2 (docker compose) or 1.29.
#
#   scripts/containers.sh up [gateway …]    build and start, and say when it is ready
#   scripts/containers.sh up-gpu            the same with the GPU engines
#   scripts/containers.sh down [-v]         stop and remove; -v: models, caches and voices too
#   scripts/containers.sh logs [tts …]      follow
#
# COMPOSE names another command, READY_WITHIN_S the longest wait (models of GPU engines are large).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${COMPOSE:-}" ]; then
  read -ra compose <<<"$COMPOSE"
elif docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  echo "Neither 'docker compose' nor 'docker-compose' is installed." >&2
  exit 1
fi

# A variable as Compose sees it: the environment, then .env, then the default.
setting() {
  local written
  written=$(sed -n "s/^$1=//p" .env 2>/dev/null | tail -n 1)
  printf '%s' "${!1:-${written:-$2}}"
}

up() {
  local within=${READY_WITHIN_S:-300}
  REVISION=$(git rev-parse HEAD 2>/dev/null || true)
  export REVISION
  "${compose[@]}" up -d --build "$@"
  echo "waiting until every service is ready"
  for _ in $(seq $((within / 2))); do
    if "${compose[@]}" exec -T gateway python deploy/healthcheck.py PORT 8000 2>/dev/null; then
      echo "ready: http://$(setting BIND_HOST 127.0.0.1):$(setting PORT 8000) (page, API; reference" \
        "at /docs); make logs follows, make down stops"
      return
    fi
    sleep 2
  done
  echo "not ready after $within s; see make logs" >&2
  exit 1
}

what=${1:-}
shift || true
case $what in
  up) up "$@" ;;
  up-gpu)
    compose+=(-f docker-compose.yml -f docker-compose.gpu.yml)
    READY_WITHIN_S=${READY_WITHIN_S:-3600} up "$@"
    ;;
  down) "${compose[@]}" down "$@" ;;
  logs) exec "${compose[@]}" logs -f --tail=100 "$@" ;;
  *) sed -n '2,9p' "$0" && exit 2 ;;
esac
