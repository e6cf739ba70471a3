"""The audit of the published lists finds what is known of them. Skips without the raw files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.audit.findings import Finding
from datasets.registry import audit

REPOSITORY = Path(__file__).parents[3]
ACTORS = 91


@pytest.fixture(scope="module")
def answers() -> Callable[[str], list[Finding]]:
    """The findings of a dataset from its real lists alone."""
    folder = Path(os.environ.get("MSAM_RAW_DIR") or REPOSITORY.parent / "shared" / "data")
    needed = {"cremad": "train.csv", "ave": "Annotations.txt"}
    cache: dict[str, list[Finding]] = {}

    def of(name: str) -> list[Finding]:
        if not any(folder.glob(f"**/{needed[name]}")):
            pytest.skip(f"no {needed[name]} in {folder}; set MSAM_RAW_DIR to the real raw files")
        if name not in cache:
            cache[name] = audit(name, [folder], Path("/nonexistent"))
        return cache[name]

    return of


def the(answers: list[Finding], check: str, protocol: str | None = None) -> Finding:
    """The one finding of this check under this protocol."""
    (found,) = [a for a in answers if a.check == check and (protocol in (None, *a.protocols))]
    return found


def test_the_lists_of_cremad_have_the_published_counts(answers: Callable) -> None:
    lists = the(answers("cremad"), "published lists").numbers
    counts = {"ANG": 1166, "DIS": 1142, "FEA": 1138, "HAP": 1148, "NEU": 973, "SAD": 1131}
    assert lists["train"] == counts
    counts = {"ANG": 105, "DIS": 129, "FEA": 133, "HAP": 123, "NEU": 114, "SAD": 140}
    assert lists["test"] == counts
    assert lists["majority"]["test"] == pytest.approx(0.188, abs=5e-4)


def test_all_actors_of_cremad_are_shared_but_under_actor_disjoint(answers: Callable) -> None:
    leak = the(answers("cremad"), "actors", "validation")
    assert leak.severity == "leak"
    assert leak.numbers["shared"]["train and test"] == leak.numbers["total"] == ACTORS
    assert leak.numbers["test_samples"] == 744
    clean = the(answers("cremad"), "actors", "actor_disjoint")
    assert (clean.severity, clean.numbers) == ("ok", {"total": ACTORS, "shared": {}})


def test_three_pairs_of_equal_sounds_one_across_the_splits(answers: Callable) -> None:
    leak = the(answers("cremad"), "identical wav", "validation")
    assert leak.severity == "leak"
    assert (leak.numbers["groups"], leak.numbers["across_splits"]) == (3, 1)
    assert leak.numbers["other_label"] == 3
    assert "1013_WSI_DIS_XX train = 1013_WSI_SAD_XX test" in leak.text
    assert {pair[0][:8] for pair in leak.numbers["names"]} == {"1006_TIE", "1013_WSI", "1017_IWW"}
    assert the(answers("cremad"), "identical flv", "validation").severity == "ok"


def test_the_three_odd_videos_are_found(answers: Callable) -> None:
    odd = the(answers("cremad"), "odd videos").numbers["times_median"]
    assert set(odd) == {"1076_MTI_NEU_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD"}


def test_videos_of_ave_are_shared_by_splits(answers: Callable) -> None:
    leak = the(answers("ave"), "videos", "validation")
    assert leak.severity == "leak"
    assert leak.numbers["shared"] == {"train and val": 10, "train and test": 8}
    assert leak.numbers["total"] == 4097
    published = the(answers("ave"), "videos", "published")
    assert published.numbers["shared"] == {"train and test": 10}
    reused = the(answers("ave"), "reused videos").numbers
    assert reused["further_annotations"] == 46
    assert reused["reused"] == reused["other_category"] == 45


def test_the_background_of_ave_is_its_majority_class(answers: Callable) -> None:
    classes = the(answers("ave"), "classes", "validation")
    expected = {"train": 0.169, "val": 0.182, "test": 0.178}
    assert classes.numbers["majority"] == pytest.approx(expected, abs=5e-4)
    assert "background in test" in classes.text
    events = the(answers("ave"), "events").numbers
    assert (events["clips"], events["whole"], events["none"]) == (4143, 2750, 1)
    assert the(answers("ave"), "left out").severity == "ok"


@pytest.mark.parametrize("name", ["cremad", "ave"])
def test_published_protocols_choose_on_the_test_samples(answers: Callable, name: str) -> None:
    assert the(answers(name), "selection", "published").severity == "leak"
    assert the(answers(name), "selection", "validation").severity == "ok"


def test_what_could_not_be_checked_is_said(answers: Callable) -> None:
    missing = {a.check: a.text for a in answers("ave") if a.severity == "not checked"}
    assert "audio_feature.h5" in missing["identical clips"]
    assert any(a.severity == "not checked" for a in answers("cremad"))
