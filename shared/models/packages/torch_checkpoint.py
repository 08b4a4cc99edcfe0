"""Reads a state dict from PyTorch's old checkpoint format without PyTorch, and safely.

The format (``torch.serialization._legacy_save``): pickles of a magic number, the protocol version,
system facts, the object (whose tensors name storages by persistent id) and the list of storage
keys; then per key an int64 element count and the raw little-endian data. Only the globals that a
state dict of float tensors needs are resolved; anything else is refused.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import ModelDamaged

_MAGIC = 0x1950A86A20F9469CFC6C
_ITEM_BYTES = 4


class _Storage:
    """A float32 storage whose data follows the pickles."""

    def __init__(self, key: str, count: int) -> None:
        self.key = key
        self.count = count
        self.data: NDArray[np.float32] = np.zeros(0, np.float32)


class _Tensor:
    """A strided view of a storage, resolved once the data is read."""

    def __init__(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: Any) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, tuple(stride)

    def array(self) -> NDArray[np.float32]:
        """A contiguous copy, shape ``size``."""
        reach = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        if min(self.size, default=1) < 1 or min(self.stride, default=0) < 0 or self.offset < 0:
            raise ModelDamaged("checkpoint: a tensor of impossible shape")
        if reach >= len(self.storage.data):
            raise ModelDamaged("checkpoint: a tensor reaches beyond its data")
        view = np.lib.stride_tricks.as_strided(
            self.storage.data[self.offset :],
            self.size,
            tuple(step * _ITEM_BYTES for step in self.stride),
            writeable=False,
        )
        return np.ascontiguousarray(view)


def _rebuild_tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


class _FloatStorage:
    """Stands for ``torch.FloatStorage`` in persistent ids."""


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch", "FloatStorage"): _FloatStorage,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise ModelDamaged(f"checkpoint: {module}.{name} is not allowed") from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, count, *_ = pid
        if kind != "storage" or storage_type is not _FloatStorage:
            raise ModelDamaged("checkpoint: only float storages are read")
        return self._storages.setdefault(key, _Storage(key, count))


def read_state_dict(stream: IO[bytes]) -> dict[str, NDArray[np.float32]]:
    """The tensors of a checkpoint: of a state dict, or of the ``model_state`` inside one.

    Raises:
        ModelDamaged: not such a checkpoint, or one that asks for anything but float tensors.
    """
    storages: dict[str, _Storage] = {}
    try:
        if _Unpickler(stream, {}).load() != _MAGIC:
            raise ModelDamaged("checkpoint: wrong magic number")
        _Unpickler(stream, {}).load()
        _Unpickler(stream, {}).load()
        root = _Unpickler(stream, storages).load()
        keys = _Unpickler(stream, {}).load()
        for key in keys:
            (count,) = np.frombuffer(stream.read(8), "<i8")
            raw = stream.read(int(count) * _ITEM_BYTES)
            storages[key].data = np.frombuffer(raw, "<f4", int(count))
    except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
        raise ModelDamaged(f"checkpoint: {type(error).__name__}") from error
    state = root.get("model_state", root)
    return {name: value.array() for name, value in state.items() if isinstance(value, _Tensor)}


def save_as_npz(path: Path) -> None:
    """Replace a checkpoint by an uncompressed ``.npz`` of its tensors, under the same name."""
    tensors = read_state_dict(io.BytesIO(path.read_bytes()))
    with path.open("wb") as out:
        np.savez(out, **tensors)  # type: ignore[arg-type]  # the stub mistakes a name for a flag
