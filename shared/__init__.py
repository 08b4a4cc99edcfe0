"""Code that all services of the voice mesh share."""

import os

# Disable the telemetry of libraries before any of them is imported, so that neither speech nor
# usage data leaves the mesh. By default, onnxruntime 1.31 stores a device id and sends events, and
# huggingface-hub adds usage data to its requests.
for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_switch, "1")
