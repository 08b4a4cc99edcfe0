"""shared package of the voice mesh."""

import os

# What is said to the mesh stays in it, and so does that it is used: libraries that would report to
# their makers are told not to before any of them is imported. (onnxruntime 1.31 keeps a device id
# and sends events unless told; huggingface-hub adds usage to its requests.)
for _switch in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_switch, "1")
