"""From content to frames: compressed and written in the order given, by a second thread while the first reads on."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import NamedTuple

from cloche.store.codec import RAW, Compressor
from cloche.store.frames import CONTENT
from cloche.store.pack_writer import PackWriter, Sealed

_BATCH = 1 << 20
_AHEAD = 8
_MOST = 2_000  # frames in a batch: small ones take more for their objects than for their bytes


class Frame(NamedTuple):
    """Content on its way into a pack. first: whether it is the beginning of a file."""

    kind: bytes
    digest: bytes
    data: bytes
    first: bool = False


def _is_whole(pair: tuple[Frame, Frame | None]) -> bool:
    frame, following = pair
    return frame.first and following is not None and following.first


_Payloads = list[tuple[bytes, bytes]]


class FrameQueue:
    """Takes frames for a `PackWriter`. What the disk raises comes out of the next call. For use by one thread."""

    def __init__(self, out: PackWriter) -> None:
        self._out = out
        self._batch: list[Frame] = []
        self._size = 0
        self._pool: ThreadPoolExecutor | None = None
        self._compressor: Compressor | None = None
        self._waiting: deque[Future[None]] = deque()

    def put(self, frame: Frame) -> None:
        """Add one frame. Raises OSError."""
        self._batch.append(frame)
        self._size += len(frame.data)
        if self._size >= _BATCH or len(self._batch) >= _MOST:
            self._send()
            while len(self._waiting) > _AHEAD or (self._waiting and self._waiting[0].done()):
                self._waiting.popleft().result()

    def publish(self) -> list[Sealed]:
        """Make everything part of the store (see `PackWriter.publish`). Raises OSError."""
        if not self._waiting:  # little: not worth a thread
            batch, self._batch = self._batch, []
            self._write(batch)
        else:
            self._send()
        while self._waiting:
            self._waiting.popleft().result()
        self._stop()
        return self._out.publish()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._waiting.clear()
        self._batch.clear()
        self._stop()
        self._out.discard()

    def _send(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "compress")
        batch, self._batch, self._size = self._batch, [], 0
        self._waiting.append(self._pool.submit(self._write, batch))

    def _compress(self, batch: list[Frame]) -> _Payloads:
        compressor = self._compressor or Compressor()
        self._compressor = compressor
        done: _Payloads = []
        # A beginning after which the next file begins is a whole file.
        for whole, frames in groupby(zip(batch, [*batch[1:], None], strict=False), key=_is_whole):
            if whole:
                done += compressor.compress_apart([frame.data for frame, _ in frames])
                continue
            for frame, _ in frames:
                if frame.first:
                    compressor.start()
                done.append(compressor.compress(frame.data) if frame.kind == CONTENT else (RAW, frame.data))
        return done

    def _write(self, batch: list[Frame]) -> None:
        append = self._out.append
        for frame, (how, payload) in zip(batch, self._compress(batch), strict=True):
            append(frame.kind, how, frame.digest, payload, len(frame.data))

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
