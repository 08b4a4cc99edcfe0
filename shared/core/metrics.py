"""Definitions of all Prometheus metrics of the mesh, with labels and buckets.

Units are base units. Label values are bounded: they come from code (routes, engine names,
outcomes), never from a request.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.2,
    0.35,
    0.5,
    0.75,
    1.0,
    1.5,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
)
_RATIO = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
_BATCH = (1, 2, 4, 8, 12, 16, 24, 32, 64)
_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8)

REQUESTS = Counter(
    "voice_requests_total",
    "Requests finished, by outcome (ok or the error code).",
    ["route", "engine", "outcome"],
)
REQUEST_SECONDS = Histogram(
    "voice_request_duration_seconds",
    "Whole answer, from the request to its last byte.",
    ["route"],
    buckets=_LATENCY,
)
TTFA = Histogram(
    "voice_time_to_first_audio_seconds",
    "Request to the first audio byte.",
    ["engine"],
    buckets=_LATENCY,
)
QUEUE_DEPTH = Gauge("voice_queue_depth", "Requests that wait for an engine.", ["engine"])
QUEUE_SECONDS = Histogram(
    "voice_queue_wait_seconds", "Wait for an engine.", ["engine"], buckets=_LATENCY
)
QUEUE_LEFT = Counter(
    "voice_queue_left_total",
    "Requests that left a queue unanswered: deadline, client_gone.",
    ["engine", "reason"],
)
BATCH_SIZE = Histogram(
    "voice_batch_size", "Items that went through a model together.", ["engine"], buckets=_BATCH
)
BATCH_RETRIES = Counter(
    "voice_batch_retries_total",
    "Batches run again in parts: out_of_memory, failure.",
    ["engine", "reason"],
)
STAGE_LATENCY = Histogram(
    "voice_stage_latency_seconds",
    "One stage of the work (normalize, synthesize, decode, …).",
    ["stage"],
    buckets=_LATENCY,
)
RTF = Histogram(
    "voice_real_time_factor", "Processing time divided by audio time.", ["engine"], buckets=_RATIO
)
AUDIO_SECONDS = Counter("voice_audio_seconds_total", "Audio made or read.", ["engine", "direction"])
AUDIO_CHUNKS = Counter("voice_audio_chunks_total", "Chunks of audio an engine made.", ["engine"])
FALLBACKS = Counter(
    "voice_fallback_total",
    "Answers made by another engine than the first choice.",
    ["from", "to", "reason"],
)
REMOTE_CALLS = Counter(
    "voice_remote_calls_total",
    "Calls to engines behind somebody else's server, by outcome (ok or the error code).",
    ["engine", "outcome"],
)
CIRCUIT_OPEN = Gauge(
    "voice_circuit_open",
    "1 from the failure that opened the circuit of a remote engine to the call that closed it.",
    ["engine"],
)
CACHE_EVENTS = Counter(
    "voice_cache_events_total",
    "Cache look-ups (hit, miss), failures (error), calls answered without the store because it is "
    "down (skipped), and values not kept because it is too slow (dropped).",
    ["cache", "event"],
)
VALIDATION_ERRORS = Counter(
    "voice_validation_errors_total", "Requests refused as wrong.", ["route", "code"]
)
STREAMS = Gauge(
    "voice_streams_active",
    "Answers that are being streamed (http) and open sockets (websocket).",
    ["kind"],
)
STREAMS_ABORTED = Counter(
    "voice_streams_aborted_total", "Streams that ended early.", ["kind", "reason"]
)
UPLOAD_BYTES = Histogram("voice_upload_bytes", "Size of uploaded audio.", ["route"], buckets=_BYTES)
DECODE_ERRORS = Counter("voice_audio_decode_errors_total", "Uploads that could not be decoded.")
ENGINE_READY = Gauge(
    "voice_engine_ready", "1 when the engine has answered its warm-up.", ["engine"]
)
ENGINE_LOAD_SECONDS = Gauge(
    "voice_engine_load_seconds", "Time to load and warm up the engine.", ["engine"]
)
ENGINE_INFO = Gauge(
    "voice_engine_info",
    "1 for each loaded engine: its model and its device.",
    ["engine", "model", "device"],
)
GPU_MEMORY = Gauge(
    "voice_gpu_memory_bytes", "GPU memory in use, by all processes of the device.", ["device"]
)
GPU_MEMORY_TOTAL = Gauge("voice_gpu_memory_total_bytes", "GPU memory there is.", ["device"])
GPU_UTILISATION = Gauge(
    "voice_gpu_utilisation_ratio", "Share of the last second in which the GPU worked.", ["device"]
)
LLM_PULLED = Gauge(
    "voice_llm_pull_ratio", "Share of the language model pulled, 0 to 1.", ["engine"]
)
UPSTREAM_UP = Gauge(
    "voice_upstream_up", "1 when the service said it is ready, when last asked.", ["upstream"]
)
# Only the gateway's /metrics adds this metric, so that the other services do not expose a family
# without samples.
UPSTREAM_METRICS_UP = Gauge(
    "voice_upstream_metrics_up",
    "1 when the replica's own metrics are part of this answer.",
    ["service", "instance"],
    registry=None,
)
