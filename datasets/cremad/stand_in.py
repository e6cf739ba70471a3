"""Stand-in CREMA-D: small generated WAV and FLV files with split lists, in the official layout.

They pass through the same preparation as the real release. The six classes are three groups of
two. Sound tells the group for certain and the half of it mostly; the picture's colour tells the
half for certain and the group mostly. So audio dominates, and only both together tell the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from datasets.cremad.clip import RATE_HZ
from datasets.cremad.spec import KINDS, LABELS
from datasets.raw.wav import pack_wav

ACTORS = range(1001, 1011)
SENTENCES = ("DFA", "IEO", "ITH", "IWW", "MTI", "TAI")
TEST_CLIPS = 60
SECONDS = (1.05, 1.3)
FRAMES_PER_SECOND = Fraction(30_000, 1001)
SOUND_HZ = 11_025
ROWS, COLUMNS = 72, 96
GROUP_HZ, HALF_HZ = (900, 2600, 4300), (6000, 7200)
HEARD, SEEN = 0.75, 0.4
"""Shares of the clips in which sound surely tells the right half, the picture the right group."""

NOISE = 1.0


def write_raw(folder: Path, seed: int) -> None:
    """Writes AudioWAV/, VideoFlash/ and the three lists below `folder`."""
    random = np.random.RandomState(seed)
    names = [f"{a}_{s}_{e}_XX" for a in ACTORS for s in SENTENCES for e in LABELS]
    clips = [names[i] for i in random.permutation(len(names))]
    write_lists(folder, clips[TEST_CLIPS:], clips[:TEST_CLIPS])
    write_clips(folder, clips, random)


def write_clips(folder: Path, clips: Sequence[str], random: np.random.RandomState) -> None:
    """Writes AudioWAV/<clip>.wav and VideoFlash/<clip>.flv."""
    for kind in KINDS.values():
        (folder / kind).mkdir(parents=True)
    for clip in clips:
        group, half = divmod(LABELS.index(clip[9:12]), 2)
        heard_half = half if random.rand() < HEARD else 1 - half
        seen_group = group if random.rand() < SEEN else random.randint(3)
        sound = _sound(group, heard_half, random)
        (folder / "AudioWAV" / f"{clip}.wav").write_bytes(pack_wav(sound, RATE_HZ))
        film = _film(seen_group, half, int(len(sound) / RATE_HZ * FRAMES_PER_SECOND), random)
        write_video(folder / "VideoFlash" / f"{clip}.flv", film, _slower(sound))


def write_lists(folder: Path, train: list[str], test: list[str]) -> None:
    """train.csv, test.csv and stat.csv as published: CR LF, and a BOM before the last."""
    for part, clips in {"train": train, "test": test}.items():
        lines = "".join(f"{clip},{clip[9:12]}\r\n" for clip in clips)
        (folder / f"{part}.csv").write_text(lines, newline="")
    text = "".join(f"{label}\r\n" for label in LABELS)
    (folder / "stat.csv").write_text(text, encoding="utf-8-sig", newline="")


def write_video(path: Path, planes: np.ndarray, sound: np.ndarray) -> None:
    """A FLV file as the published ones: Sorenson video and MP3 sound at 11.025 kHz.

    planes (T, 3 / 2 rows, columns) uint8: brightness, then both colour planes at half size, in
    the layout yuv420p. sound (S,) int16.
    """
    with av.open(str(path), "w", format="flv") as container:
        video = container.add_stream("flv1", rate=FRAMES_PER_SECOND)
        video.height, video.width = planes.shape[1] * 2 // 3, planes.shape[2]
        video.pix_fmt, video.bit_rate = "yuv420p", 800_000
        fast = {"compression_level": "9"}
        audio = container.add_stream("libmp3lame", rate=SOUND_HZ, layout="mono", options=fast)
        track = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        track.sample_rate = SOUND_HZ
        for plane in planes:
            container.mux(video.encode(av.VideoFrame.from_ndarray(plane, format="yuv420p")))
        for packets in (video.encode(), audio.encode(track), audio.encode()):
            container.mux(packets)


def _sound(group: int, half: int, random: np.random.RandomState) -> np.ndarray:
    """Two tones in noise, one for the group and one for the half: (T,) int16 at 16 kHz."""
    seconds = np.arange(int(RATE_HZ * random.uniform(*SECONDS))) / RATE_HZ
    pitches = np.array([GROUP_HZ[group], HALF_HZ[half]]) * random.uniform(0.95, 1.05, 2)
    tones = np.sin(2 * np.pi * np.outer(pitches, seconds)).sum(0)
    noisy = tones + NOISE * random.standard_normal(len(seconds))
    return (6000 * noisy).clip(-32768, 32767).astype(np.int16)


def _slower(sound: np.ndarray) -> np.ndarray:
    """The sound at 11.025 kHz, as MP3 in a FLV file allows no 16 kHz: (T,) -> (S,) int16."""
    times = np.arange(0, len(sound), RATE_HZ / SOUND_HZ)
    return np.interp(times, np.arange(len(sound)), sound).astype(np.int16)


def _film(group: int, half: int, frames: int, random: np.random.RandomState) -> np.ndarray:
    """A drifting pattern in one of 3 x 2 colours: (frames, 3 / 2 rows, columns) uint8, yuv420p."""
    coarse = random.randint(40, 200, (ROWS // 8, COLUMNS // 8))
    pattern = coarse.repeat(8, 0).repeat(8, 1)
    blue = 128 + (group - 1) * 30 + random.randint(-12, 13)
    red = 128 + (2 * half - 1) * 30 + random.randint(-12, 13)
    planes = np.empty((frames, ROWS * 3 // 2, COLUMNS), np.uint8)
    for index, plane in enumerate(planes):
        plane[:ROWS] = np.roll(pattern, index, 1)
        plane[ROWS : ROWS * 5 // 4], plane[ROWS * 5 // 4 :] = blue, red
    return planes
