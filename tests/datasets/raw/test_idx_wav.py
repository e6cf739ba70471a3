"""The idx and WAV readers: round trips, and DataError for whatever else a file may hold."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from datasets.errors import DataError
from datasets.raw.content import read_content
from datasets.raw.idx import pack_idx, parse_idx
from datasets.raw.wav import pack_wav, parse_wav

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
SAMPLES = np.array([0, 1, -1, 32767, -32768], np.int16)
WAV = pack_wav(SAMPLES, 8000)


def parse_or_refuse(parse, content: bytes) -> None:
    """Nothing but a value or a DataError may come out."""
    try:
        parse(content)
    except DataError:
        return


def test_idx_round_trip() -> None:
    assert np.array_equal(parse_idx(pack_idx(IMAGES), 3, "x"), IMAGES)


def test_idx_header_is_the_published_one() -> None:
    assert pack_idx(IMAGES)[:16] == struct.pack(">IIII", 2051, 2, 3, 4)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "idx magic is "),
        (b"\0\0\x09\x03", "idx magic is 00000903, expected 00000803"),
        (pack_idx(IMAGES[0]), "idx magic is 00000802"),
        (pack_idx(IMAGES)[:10], "too short for an idx header"),
        (pack_idx(IMAGES)[:-1], "but 23 values follow"),
        (pack_idx(IMAGES) + b"x", "but 25 values follow"),
    ],
)
def test_wrong_idx_is_refused_with_its_name(content: bytes, text: str) -> None:
    with pytest.raises(DataError, match=f"file.gz.*{text}"):
        parse_idx(content, 3, "file.gz")


@given(st.binary(max_size=200))
def test_random_idx_gives_a_value_or_a_data_error(tail: bytes) -> None:
    for content in (tail, b"\0\0\x08\x03" + tail):
        parse_or_refuse(lambda c: parse_idx(c, 3, "x"), content)


def test_a_huge_idx_header_allocates_nothing() -> None:
    tracemalloc.start()
    with pytest.raises(DataError):
        parse_idx(b"\0\0\x08\x03" + b"\xff" * 12, 3, "x")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_plain_and_gzipped_files_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"content"))
    assert read_content(tmp_path / "a", 7) == read_content(tmp_path / "a.gz", 7) == b"content"


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 26)))
    tracemalloc.start()
    with pytest.raises(DataError, match="more than the 1000 bytes"):
        read_content(tmp_path / "bomb.gz", 1000)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_a_truncated_gzip_is_called_truncated(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(10_000))[:-12])
    with pytest.raises(DataError, match=r"x\.gz is truncated"):
        read_content(tmp_path / "x.gz", 10_000)


def test_any_flipped_bit_or_cut_of_a_gzip_gives_a_value_or_a_data_error(tmp_path: Path) -> None:
    packed = gzip.compress(pack_idx(IMAGES), mtime=0)
    for place in range(len(packed)):
        flipped = (bytes([packed[place] ^ 1 << bit]) for bit in range(8))
        for damaged in (
            packed[:place],
            *(packed[:place] + f + packed[place + 1 :] for f in flipped),
        ):
            (tmp_path / "x.gz").write_bytes(damaged)
            parse_or_refuse(lambda path: read_content(path, 1000), tmp_path / "x.gz")


def test_wav_round_trip() -> None:
    assert np.array_equal(parse_wav(WAV, 8000, "x"), SAMPLES)


def test_wav_is_what_scipy_reads_and_writes(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "theirs.wav", 8000, SAMPLES)
    (tmp_path / "ours.wav").write_bytes(WAV)
    assert np.array_equal(wavfile.read(tmp_path / "ours.wav")[1], SAMPLES)
    theirs = (tmp_path / "theirs.wav").read_bytes()
    assert np.array_equal(parse_wav(theirs, 8000, "x"), SAMPLES)


def test_chunks_before_the_data_are_skipped() -> None:
    extra = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    assert np.array_equal(parse_wav(WAV[:36] + extra + WAV[36:], 8000, "x"), SAMPLES)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty"),
        (b"OggS" + WAV[4:], "is an Ogg file"),
        (b"RIFX" + WAV[4:], "not a WAV file"),
        (WAV[:36], "missing"),
        (WAV[:-1], "truncated, 1 bytes"),
        (WAV[:12] + WAV[36:], "before fmt chunk"),
        (WAV[:16] + struct.pack("<I", 8) + WAV[20:28] + WAV[36:], "too early"),
        (WAV[:20] + struct.pack("<H", 3) + WAV[22:], "unknown format"),
        (WAV[:8] + b"WAVX" + WAV[12:], "not a WAVE file"),
        (pack_wav(SAMPLES, 16000), r"\(1, 16000, 16\), expected \(1, 8000, 16\)"),
    ],
)
def test_wrong_wav_is_refused_with_its_name(content: bytes, text: str) -> None:
    with pytest.raises(DataError, match=f"7_theo_3.wav.*{text}"):
        parse_wav(content, 8000, "7_theo_3.wav")


@given(st.integers(0, len(WAV)), st.integers(0, len(WAV) - 1), st.binary(max_size=8))
def test_damaged_wav_gives_a_value_or_a_data_error(length: int, start: int, noise: bytes) -> None:
    damaged = WAV[:start] + noise + WAV[start + len(noise) :]
    for content in (WAV[:length], damaged, noise):
        parse_or_refuse(lambda c: parse_wav(c, 8000, "x"), content)
