"""Each dataset's own checks, on small lists with planted leaks and on prepared stand-ins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from datasets import registry
from datasets.audit.findings import Finding
from datasets.ave import audit as audit_ave
from datasets.ave.raw import Annotation
from datasets.avmnist import audit as audit_avmnist
from datasets.avmnist.raw import RawAvMnist
from datasets.avmnist.recordings import Clip
from datasets.cremad import audit as audit_cremad
from datasets.cremad.raw import Pointer, pointer_in, pointers_of
from datasets.cremad.spec import KINDS, LABELS
from datasets.errors import DataError
from datasets.registry import audit
from datasets.store.arrays import write_store
from datasets.store.manifest import Manifest
from datasets.urfunny import audit as audit_urfunny
from datasets.urfunny.loader import UrFunny


def the(answers: Sequence[Finding], check: str, protocol: str | None = None) -> Finding:
    """The one finding of this check under this protocol."""
    (found,) = [a for a in answers if a.check == check and (protocol in (None, *a.protocols))]
    return found


def clips_of(actors: Sequence[int]) -> list[str]:
    """Six clips an actor, one of every class."""
    return [f"{actor}_DFA_{emotion}_XX" for actor in actors for emotion in LABELS]


def pointers(clips: Sequence[str]) -> dict[tuple[str, str], Pointer]:
    """Files that all differ, of one size each kind."""
    sizes = {"wav": 1000, "flv": 4000}
    return {
        (clip, kind): Pointer(size, hashlib.sha256(f"{clip}{kind}".encode()).hexdigest())
        for clip in clips
        for kind, size in sizes.items()
    }


@pytest.fixture
def parts() -> dict[str, list[str]]:
    """Lists of CREMA-D that share no actor."""
    return {"train": clips_of(range(1001, 1021)), "test": clips_of(range(1021, 1031))}


def cremad(parts: dict[str, list[str]], files: dict | None = None) -> list[Finding]:
    known = pointers(parts["train"] + parts["test"]) if files is None else files
    return list(audit_cremad.list_findings(parts, known))


def test_lists_of_cremad_without_common_actors_leak_nothing_to_the_test(parts: dict) -> None:
    answers = [a for a in cremad(parts) if a.check != "selection"]
    assert {a.check for a in answers if a.severity == "leak"} == set()
    assert the(answers, "actors", "published").severity == "ok"
    assert the(answers, "odd videos").severity == the(answers, "left out").severity == "ok"


def test_an_actor_of_both_lists_is_a_leak_that_actor_disjoint_mends(parts: dict) -> None:
    parts["test"] += [clip.replace("DFA", "IEO") for clip in clips_of([1001])]
    answers = cremad(parts)
    leak = the(answers, "actors", "validation")
    assert leak.severity == "leak" and leak.numbers["test_samples"] == 6
    assert leak.numbers["shared"]["train and test"] == 1
    assert the(answers, "actors", "actor_disjoint").severity == "ok"


def test_equal_sounds_odd_videos_and_unlisted_clips_are_found(parts: dict) -> None:
    files = pointers([*parts["train"], *parts["test"], "1099_DFA_SAD_XX"])
    files[parts["test"][0], "wav"] = files[parts["train"][1], "wav"]
    small, large = parts["train"][7], parts["train"][8]
    files[small, "flv"] = Pointer(999, "0" * 64)
    files[large, "flv"] = Pointer(16001, "1" * 64)
    files[parts["train"][9], "flv"] = Pointer(1001, "2" * 64)
    del files[parts["test"][1], "flv"]
    answers = cremad(parts, files)
    equal = the(answers, "identical wav", "published")
    assert (equal.severity, equal.numbers["other_label"]) == ("leak", 1)
    assert the(answers, "identical flv", "published").severity == "ok"
    assert set(the(answers, "odd videos").numbers["times_median"]) == {small, large}
    left = the(answers, "left out")
    assert left.severity == "note" and left.numbers["left_out"] == ["1099_DFA_SAD_XX"]
    assert left.numbers["without_files"] == [parts["test"][1]]


def pointer_file(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
    ).encode()


def test_a_clone_without_lfs_is_enough(tmp_path: Path, parts: dict) -> None:
    for part, clips in parts.items():
        lines = [f"{clip},{clip.split('_')[2]}" for clip in clips]
        (tmp_path / f"{part}.csv").write_text("\r\n".join(lines))
    twin = {parts["test"][0]: parts["train"][1]}
    for folder, suffix in (("AudioWAV", "wav"), ("VideoFlash", "flv")):
        (tmp_path / folder).mkdir()
        for clip in parts["train"] + parts["test"]:
            sound = twin.get(clip, clip) if suffix == "wav" else clip
            (tmp_path / folder / f"{clip}.{suffix}").write_bytes(pointer_file(sound.encode()))
    answers = audit("cremad", [tmp_path], tmp_path / "none")
    assert the(answers, "identical wav", "published").numbers["across_splits"] == 1
    assert the(answers, "identical flv", "published").severity == "ok"
    assert [a.check for a in answers if a.severity == "not checked"] == ["skipped clips"]
    found = the(answers, "files")
    assert found.text.startswith("on disk: 360 files, 360 of them git-lfs pointers; 0 of 180")
    (tmp_path / "AudioWAV" / f"{parts['test'][0]}.wav").write_bytes(b"RIFF")
    (tmp_path / "VideoFlash" / f"{parts['test'][1]}.flv").unlink()
    found = the(audit("cremad", [tmp_path], tmp_path / "none"), "files")
    assert found.text.startswith("on disk: 359 files, 358 of them git-lfs pointers; 1 of 180")
    assert found.numbers["without_files"] == [parts["test"][1]] and found.severity == "note"
    (tmp_path / "train.csv").write_text("1001_DFA_ANG_XX,SAD")
    with pytest.raises(DataError, match="label SAD, but the file name 1001_DFA_ANG_XX says ANG"):
        audit("cremad", [tmp_path], tmp_path / "none")


def test_the_official_list_alone_puts_no_file_on_disk(tmp_path: Path, parts: dict) -> None:
    for part, clips in parts.items():
        (tmp_path / f"{part}.csv").write_text("\n".join(f"{c},{c.split('_')[2]}" for c in clips))
    known = pointers(parts["train"] + parts["test"])
    head = "clip,wav_bytes,wav_sha256,flv_bytes,flv_sha256"
    lines = [
        ",".join([clip, *(f"{known[clip, k].bytes},{known[clip, k].sha256}" for k in KINDS)])
        for clip in parts["train"] + parts["test"]
    ]
    (tmp_path / "cremad_lfs_manifest.csv").write_text("\n".join([head, *lines]))
    answers = audit("cremad", [tmp_path], tmp_path / "none")
    assert the(answers, "identical wav", "published").severity == "ok"
    found = the(answers, "files")
    assert found.severity == "not checked" and "official list" in found.text
    assert "with known files" in the(answers, "left out").text
    (tmp_path / "cremad_lfs_manifest.csv").unlink()
    text = the(audit("cremad", [tmp_path], tmp_path / "none"), "files").text
    assert "equal, odd files" in text and "official" not in text


def test_a_pointer_stands_for_its_file(tmp_path: Path) -> None:
    content = b"RIFF of a sound"
    (tmp_path / "real").write_bytes(content)
    (tmp_path / "pointer").write_bytes(pointer_file(content))
    files = {("a", "wav"): [tmp_path / "real"], ("b", "wav"): [tmp_path / "pointer"]}
    known = pointers_of(files)
    assert known["a", "wav"] == known["b", "wav"]
    assert known["a", "wav"].bytes == len(content)
    assert pointer_in(content) is pointer_in(pointer_file(content) + b"more") is None
    with pytest.raises(DataError, match="gone cannot be read"):
        pointers_of({("c", "wav"): [tmp_path / "gone"]})


ROWS = [("Bark", "v0", 0, 10), ("Bark", "v1", 2, 5), ("Goat", "v2", 0, 0), ("Goat", "v3", 0, 10)]


def ave(rows: Sequence[tuple], digests: dict[int, str] | None = None) -> list[Finding]:
    annotations = [Annotation(c, v, "good", first, last) for c, v, first, last in rows]
    orders = {"train": [0, 1], "val": [2], "test": [3]}
    return list(audit_ave.list_findings(annotations, orders, digests or {}))


def test_annotations_of_ave_without_reuse_leak_nothing() -> None:
    answers = ave(ROWS, {row: str(row) for row in range(4)})
    assert the(answers, "videos", "validation").severity == "ok"
    assert the(answers, "identical clip", "validation").severity == "ok"
    assert the(answers, "reused videos").severity == the(answers, "left out").severity == "ok"
    classes = the(answers, "classes", "validation").numbers
    assert classes["train"] == {"Bark": 13, "Goat": 0, "background": 7}
    assert classes["val"]["background"] == 10
    assert the(answers, "events").numbers == {"clips": 4, "whole": 2, "none": 1}


def test_a_video_of_train_and_test_is_a_leak_with_another_label() -> None:
    rows = [*ROWS[:3], ("Goat", "v0", 0, 10), ("Goat", "v9", 0, 10)]
    answers = ave(rows, {0: "same", 1: "b", 2: "c", 3: "same", 4: "d"})
    leak = the(answers, "videos", "validation")
    assert (leak.severity, leak.numbers["shared"]) == ("leak", {"train and test": 1})
    assert the(answers, "videos", "published").severity == "ok"
    clips = the(answers, "identical clip", "validation")
    assert (clips.severity, clips.numbers["other_label"]) == ("leak", 1)
    reused = the(answers, "reused videos")
    assert reused.severity == "note" and reused.numbers["other_category"] == 1
    assert reused.numbers["clips"] == {"train": 1, "val": 0, "test": 1}
    assert the(answers, "left out").numbers["left_out"] == 1
    rows = [("Bark", "v0", 0, 4), ("Bark", "v1", 6, 10), *ROWS[2:]]
    twins = the(ave(rows, {0: "same", 1: "same", 2: "c", 3: "d"}), "identical clip", "validation")
    assert twins.numbers["other_label"] == 1  # the event is in other seconds


def manifest(**facts: object) -> Manifest:
    return Manifest("any", "now", True, {}, {}, facts, "0" * 64, {})


def test_what_preparations_report_is_repeated() -> None:
    skipped = {"rows": {}, "skipped": {"1001_DFA_ANG_XX": "is empty"}, "unverified": 0}
    assert audit_cremad.skipped(manifest(**skipped)).severity == "note"
    assert audit_cremad.skipped(manifest(**{**skipped, "skipped": {}})).severity == "ok"
    unverified = audit_cremad.skipped(manifest(rows={}, skipped={}, unverified=1))
    assert unverified.severity == "note" and "not verified" in unverified.text
    differing = {"labels.h5": [3, 5], "right_label.h5": []}
    told = audit_ave.published_labels(manifest(differing=differing))
    assert (told.severity, told.numbers) == ("note", {"labels.h5": 2, "right_label.h5": 0})
    assert audit_ave.published_labels(manifest(differing={"a": []})).severity == "ok"
    assert audit_ave.published_labels(manifest(differing={})).severity == "not checked"
    one = {"items": 4, "dropped": 0, "replaced": 0}
    assert audit_urfunny.dropped(manifest(parts={"train": one})).severity == "ok"
    assert audit_urfunny.dropped(manifest(parts={"t": {**one, "dropped": 1}})).severity == "note"
    assert audit_urfunny.dropped(manifest(parts={"t": {**one, "replaced": 1}})).severity == "note"


def items(*names: str, first: int = 0) -> list:
    """Items with words of their own, not funny and funny in turn."""
    return [
        audit_urfunny.sample_of(name, row % 2, np.full((2, 3), first + row, np.float32))
        for row, name in enumerate(names)
    ]


def test_a_talk_or_text_of_two_parts_of_urfunny_is_found() -> None:
    parts = {
        "train": items("1,0,5", "2,0,5", first=0),
        "val": items("3,0,5", "4,0,5", first=10),
        "test": items("5,0,5", "6,0,5", first=20),
    }
    answers = list(audit_urfunny.sample_findings(parts))
    assert {a.check for a in answers if a.severity != "ok"} == {"selection"}
    parts["test"] = items("1,7,9", "6,0,5", first=11)
    answers = list(audit_urfunny.sample_findings(parts))
    leak = the(answers, "talks", "validation")
    assert (leak.severity, leak.numbers["shared"]) == ("leak", {"train and test": 1})
    assert the(answers, "talks", "published").severity == "ok"  # it tests on the validation part
    assert the(answers, "identical text", "validation").numbers["other_label"] == 1
    parts["val"] = items("3", "4", first=10)
    assert the(list(audit_urfunny.sample_findings(parts)), "talks").severity == "not checked"


def test_names_that_only_number_a_part_tell_parts_apart() -> None:
    assert audit_urfunny.named(["0", "2"], "train", 3) == ["train:0", "train:2"]
    assert audit_urfunny.named(["0", "3"], "train", 3) == ["0", "3"]
    assert audit_urfunny.named(["1,0,5"], "train", 3) == ["1,0,5"]


@pytest.fixture
def urfunny(tmp_path: Path) -> Path:
    """A prepared folder: two items a part with the same texts, of three numbered ones."""
    arrays, parts = {}, {}
    for part in ("train", "val", "test"):
        arrays[f"names_{part}"] = np.array(["0", "2"])
        arrays[f"labels_{part}"] = np.array([0, part == "test"], np.uint8)
        arrays[f"offsets_{part}"] = np.array([0, 1, 4])
        arrays[f"text_{part}"] = np.arange(12, dtype=np.float32).reshape(4, 3)
        parts[part] = {"items": 2, "dropped": 1, "replaced": 0}
    about = {"raw": {}, "facts": {"parts": parts}, "fingerprint": "0" * 64}
    recipe = {"version": UrFunny.recipe_version}
    folder = tmp_path / "urfunny"
    write_store(folder, arrays, dataset="urfunny", stand_in=True, recipe=recipe, **about)
    return folder


def test_prepared_urfunny_is_audited_from_its_folder(urfunny: Path) -> None:
    answers = audit("urfunny", [], urfunny)
    classes = the(answers, "classes", "validation").numbers
    assert classes["train"] == {"not funny": 2, "funny": 0}
    assert classes["test"] == {"not funny": 1, "funny": 1}
    assert the(answers, "samples", "validation").severity == "ok"
    texts = the(answers, "identical text", "validation").numbers
    assert (texts["groups"], texts["across_splits"], texts["other_label"]) == (2, 2, 1)
    assert the(answers, "dropped items").numbers["val"]["dropped"] == 1
    (urfunny / "names_test.npy").write_bytes(b"x")
    with pytest.raises(DataError, match=r"names_test.npy is damaged"):
        audit("urfunny", [], urfunny)


def test_stand_in_urfunny_can_be_audited(tmp_path: Path) -> None:
    registry.generate_stand_in("urfunny", tmp_path / "urfunny")
    answers = audit("urfunny", [], tmp_path / "urfunny")
    for check in ("samples", "identical text", "selection"):
        assert the(answers, check, "validation").severity == "ok"


def avmnist(scrambled: Sequence[int], bases: Sequence[np.ndarray]) -> list[Finding]:
    """Twelve training rows, of which the last two are for validation, and four test rows."""
    clips = [Clip(d, s, t) for d in (0, 1) for s in ("a", "b") for t in (0, 1, 40)]
    arrays = {
        "labels_train": np.arange(12) % 2,
        "labels_test": np.arange(4) % 2,
        "clip_digits_train": np.repeat([0, 1], 4),
        "clip_digits_test": np.repeat([0, 1], 2),
        "scrambled_train": np.array(scrambled),
        "scrambled_test": np.array([0, 2, 1, 3]),
        "basis_train": bases[0],
        "basis_test": bases[1],
    }
    return list(audit_avmnist.row_findings(arrays, manifest(val_rows=2), clips))


def test_rows_of_avmnist_share_speakers_and_recordings() -> None:
    one = np.eye(2, 5)
    answers = avmnist([0, 4] * 5 + [2, 6], [one, one])
    assert the(answers, "recordings", "validation").severity == "ok"
    speakers = the(answers, "speakers", "validation").numbers
    assert speakers["shared"] == {"val and test": 1, "train and test": 1}
    assert the(answers, "pairing").severity == the(answers, "PCA").severity == "ok"
    answers = avmnist([4, 4] * 5 + [0, 4], [one, np.eye(2, 5, 1)])
    assert the(answers, "recordings", "validation").numbers["shared"] == {"train and val": 1}
    assert the(answers, "pairing").numbers["share"] == {"train": round(5 / 12, 4), "test": 0}
    assert the(answers, "PCA").numbers["cosines"] == [1, 0]


def test_equal_images_and_recordings_of_avmnist_are_found() -> None:
    images = {"train": np.arange(12).reshape(3, 2, 2), "test": np.arange(4).reshape(1, 2, 2)}
    labels = {"train": np.array([0, 1, 2]), "test": np.array([5])}
    sounds = {Clip(0, "a", 0): np.arange(3), Clip(1, "a", 0): np.arange(4)}
    raw = RawAvMnist(images, labels, sounds, {})
    image, recording = audit_avmnist.raw_findings(raw)
    assert (image.severity, image.numbers["names"]) == ("leak", [["train:0", "test:0"]])
    assert image.numbers["other_label"] == 1 and recording.severity == "ok"
