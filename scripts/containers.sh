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
  written=${written#[\"\']}
  written=${written%[\"\']}
  printf '%s' "${!1:-${written:-$2}}"
}

# Compose knows one name for each variable that it uses itself.
take_for() {
  local value
  value=$(setting "$2" '')
  if [ -n "$value" ] && [ -z "$(setting "$1" '')" ]; then export "$1=$value"; fi
}

# Whether weights are needed that no image of docker-compose.yml holds.
needs_models() {
  case $(setting WHISPER_MODEL base) in
    base | /*) return 1 ;;
  esac
}

up() {
  # Downloads take their time.
  local within=${READY_WITHIN_S:-${with_models:+3600}}
  within=${within:-300}
  local deadline=$((SECONDS + within))
  REVISION=$(git rev-parse HEAD 2>/dev/null || true)
  export REVISION
  take_for BIND_HOST API_HOST
  take_for PORT API_PORT
  if [ -n "$with_models" ]; then
    compose+=(--profile models)
    # Nothing depends on it, so that it has to be named where anything is.
    [ $# -eq 0 ] || set -- "$@" models
  fi
  if ! "${compose[@]}" up -d --build "$@"; then
    echo "That failed. Once more with the images that were built before, if they are there:" >&2
    "${compose[@]}" up -d --no-build "$@"
  fi
  echo "waiting until every service is ready"
  while [ $SECONDS -lt $deadline ]; do
    if "${compose[@]}" exec -T gateway python deploy/healthcheck.py PORT 8000 2>/dev/null; then
      echo "ready: http://$(setting BIND_HOST 127.0.0.1):$(setting PORT 8000) (page, API; reference" \
        "at /docs); make logs follows, make down stops"
      return
    fi
    stop_waiting_for_the_dead
    if [ -n "$with_models" ]; then tell_progress; fi
    sleep 2
  done
  echo "not ready after $within s; see make logs" >&2
  exit 1
}

# Ends with the last words of a service that will not get ready by itself: `models` that gave up, or
# one that starts again and again. ollama-pull may fail: another language model answers then.
stop_waiting_for_the_dead() {
  local ids service once state code restarts
  ids=$("${compose[@]}" ps -a -q 2>/dev/null) || return 0
  [ -n "$ids" ] || return 0
  # shellcheck disable=SC2086
  while read -r service once state code restarts; do
    [ "$once" = False ] || continue
    if { [ "$service" = models ] && [ "$state" = exited ] && [ "$code" != 0 ]; } ||
      { [ "$state" = restarting ] && [ "$restarts" -ge 3 ]; }; then
      echo "$service has failed; its last words:" >&2
      "${compose[@]}" logs --no-color --tail=10 "$service" >&2
      exit 1
    fi
  done < <(docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}} {{index .Config.Labels "com.docker.compose.oneoff"}} {{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}' $ids 2>/dev/null)
}

told=
# What `models` said last, where it is new.
tell_progress() {
  local last
  last=$("${compose[@]}" logs --no-color --no-log-prefix --tail=1 models 2>/dev/null | tail -n 1) || return 0
  if [ -n "$last" ] && [ "$last" != "$told" ]; then
    told=$last
    echo "models: $last"
  fi
}

what=${1:-}
shift || true
case $what in
  up)
    with_models=
    if needs_models; then with_models=yes; fi
    up "$@"
    ;;
  up-gpu)
    with_models=yes
    compose+=(-f docker-compose.yml -f docker-compose.gpu.yml)
    up "$@"
    ;;
  # The GPU file adds no service and no volume of its own; the profile holds what is optional.
  down) "${compose[@]}" --profile models down "$@" ;;
  logs) exec "${compose[@]}" --profile models logs -f --tail=100 "$@" ;;
  *) sed -n '2,9p' "$0" && exit 2 ;;
esac
