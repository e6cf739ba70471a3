"""One picture of a Flash video: the frame that the published code of this line of work uses."""

from __future__ import annotations

import io

import av
import numpy as np

from datasets.errors import DataError
from datasets.raw.content import START_BYTES, check_start

STEP = 29
"""Every 29th frame is kept, from the first on: the whole part of 29.97 frames per second
(OGM-GE, data/CREMAD: one frame per second)."""

SEED = 999


def picked(kept: int) -> int:
    """Which of a clip's `kept` frames is used; it depends on their number alone.

    The published code seeds numpy anew for every sample and draws one frame
    (AGM_ICCV2023@5a65542, dataloader/CREMAD_loader.py:147-152).
    """
    return int(np.random.RandomState(SEED).choice(kept, 1, replace=False)[0])


def read_frame(content: bytes, where: str) -> tuple[np.ndarray, int]:
    """The picked frame (H, W, 3) uint8 RGB of a FLV file, and how many frames it was kept from.

    Frames are counted by decoding them: the container states neither number nor rate. Raises
    DataError, naming `where`, for another file, a damaged one, or one without a frame.
    """
    check_start(content[:START_BYTES], where, {"a FLV file"})
    if content[:3] != b"FLV":
        raise DataError(f"{where}: not an FLV file; it starts with {content[:12]!r}")
    try:
        kept = _kept_frames(content)
        if kept:
            return kept[picked(len(kept))].to_ndarray(format="rgb24"), len(kept)
    except av.EOFError:
        pass  # nothing behind the header
    except (av.FFmpegError, ValueError, IndexError) as error:  # a stream that appears midway
        raise DataError(f"{where}: the video cannot be decoded: {error}") from error
    raise DataError(f"{where}: the file has no video frame")


def missing_bytes(content: bytes) -> int:
    """How many bytes the last tag of a FLV file announces but does not have; 0 if complete.

    A decoder takes a truncated file for a shorter video and says nothing.
    """
    start = int.from_bytes(content[5:9], "big") + 4
    while start < len(content):
        body = int.from_bytes(content[start + 1 : start + 4], "big")
        stop = start + 11 + body
        if stop > len(content):
            return stop - len(content)
        start = stop + 4  # the size of the tag is repeated behind it
    return 0


def _kept_frames(content: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(content), format="flv") as container:
        streams = [stream for stream in container.streams.video if stream.codec_context]
        if not streams:  # none, or none that can be decoded
            return []
        stream = streams[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1  # one process per core
        frames = enumerate(container.decode(stream))  # type: ignore[union-attr]
        return [frame for index, frame in frames if index % STEP == 0]
