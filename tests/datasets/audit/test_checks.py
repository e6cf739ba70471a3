"""Every planted leak is found, and a clean list gives none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from datasets.audit.checks import balance, examples, identical, repeated, selection, shared
from datasets.audit.findings import Sample, under_protocols
from datasets.errors import DataError
from datasets.raw.find import search
from datasets.registry import audit

CHECKS = (repeated, partial(shared, kind="actor"), partial(identical, kind="wav"), balance)


def sample(number: int) -> Sample:
    """Two classes; every sample has an actor and a sound of its own."""
    label = "sad" if number % 2 else "happy"
    return Sample(f"s{number}", (label,), {"actor": f"a{number}"}, {"wav": f"{number:064d}"})


@pytest.fixture
def clean() -> dict[str, list[Sample]]:
    return {
        "train": [sample(n) for n in range(8)],
        "val": [sample(n) for n in range(8, 12)],
        "test": [sample(n) for n in range(12, 16)],
    }


def found(splits: dict) -> dict[str, str]:
    """Severity by check."""
    return {finding.check: finding.severity for finding in (check(splits) for check in CHECKS)}


def test_a_clean_list_has_no_finding(clean: dict) -> None:
    checks = ("samples", "actors", "identical wav", "classes")
    assert found(clean) == dict.fromkeys(checks, "ok")
    assert selection("validation", clean).severity == "ok"


def test_an_even_list_is_balanced_and_an_uneven_one_is_not(clean: dict) -> None:
    three = {
        s: [replace(x, labels=(f"{i % 3}",)) for i, x in enumerate(xs)] for s, xs in clean.items()
    }
    three["test"] = three["test"][:3]
    assert balance(three).severity == "ok"
    uneven = {**three, "test": [replace(x, labels=("0",)) for x in three["test"][:2]]}
    uneven["test"] += three["test"][1:2]
    answer = balance(uneven)
    assert answer.severity == "note"
    assert answer.numbers["test"] == {"0": 2, "1": 1, "2": 0}
    assert answer.numbers["majority"]["test"] == pytest.approx(2 / 3, abs=1e-4)
    assert "majority class (0 in test)" in answer.text and "test 66.7 %" in answer.text
    assert "classes without a sample: 2 in test" in answer.text


@pytest.mark.parametrize(
    ("split", "other", "severity"),
    [("test", "train", "leak"), ("test", "val", "leak"), ("val", "train", "note")],
)
def test_a_shared_actor_is_found(clean: dict, split: str, other: str, severity: str) -> None:
    clean[split][1] = replace(clean[split][1], groups=clean[other][0].groups)
    answer = shared(clean, "actor")
    pair = " and ".join(s for s in clean if s in (split, other))
    assert (answer.severity, answer.numbers["shared"]) == (severity, {pair: 1})
    assert answer.numbers["total"] == 15
    assert answer.numbers["test_samples"] == (split == "test")
    assert found(clean)["samples"] == found(clean)["identical wav"] == "ok"


@pytest.mark.parametrize(("split", "severity"), [("test", "leak"), ("val", "note")])
def test_a_sample_in_two_splits_is_found(clean: dict, split: str, severity: str) -> None:
    clean[split].append(replace(clean["train"][3], groups={"actor": "new"}, digests={}))
    answer = repeated(clean)
    assert answer.severity == severity
    assert answer.numbers["across"] == {f"train and {split}": ["s3"]}
    assert f"1 in train and {split} (s3)" in answer.text


def test_a_sample_twice_in_one_split_is_found(clean: dict) -> None:
    clean["train"].append(clean["train"][0])
    answer = repeated(clean)
    assert (answer.severity, answer.numbers["within"]) == ("note", {"train": ["s0"]})


def test_equal_files_are_found_with_their_labels(clean: dict) -> None:
    same, other = clean["train"][0], clean["train"][1]
    clean["test"][0] = replace(clean["test"][0], digests=other.digests)
    clean["train"][2] = replace(clean["train"][2], digests=same.digests)
    answer = identical(clean, "wav")
    assert answer.severity == "leak"
    counts = {k: answer.numbers[k] for k in ("files", "groups", "across_splits", "other_label")}
    assert counts == {"files": 16, "groups": 2, "across_splits": 1, "other_label": 1}
    assert answer.numbers["names"] == [["s0", "s2"], ["s1", "s12"]]
    assert "(s1 train = s12 test)" in answer.text


@pytest.mark.parametrize("split", ["train", "val"])
def test_equal_files_outside_the_test_split_are_a_note(clean: dict, split: str) -> None:
    clean[split][-1] = replace(clean[split][-1], digests=clean["train"][0].digests)
    assert identical(clean, "wav").severity == "note"


def test_choosing_the_epoch_on_test_samples_is_found(clean: dict) -> None:
    same = selection("published", {**clean, "val": clean["test"]})
    assert same.severity == "leak" and "val == test" in same.text
    some = selection("published", {**clean, "val": clean["val"] + clean["test"][:1]})
    assert some.severity == "leak" and "1 of the 4 test samples are in val" in some.text
    assert some.protocols == ("published",)


def test_equal_answers_are_one_finding_with_their_protocols(clean: dict) -> None:
    clean["val"][0] = replace(clean["val"][0], groups=clean["train"][0].groups)
    protocols = {"validation": clean, "again": clean, "published": {**clean, "val": clean["test"]}}
    answers = under_protocols(protocols, [repeated, partial(shared, kind="actor")])
    told = [(a.check, a.severity, a.protocols) for a in answers]
    assert told == [
        ("samples", "ok", ("validation", "again", "published")),
        ("actors", "note", ("validation", "again")),
        ("actors", "ok", ("published",)),  # val is test there, and not compared with itself
    ]


def test_only_the_first_names_are_shown() -> None:
    assert examples([]) == ""
    assert examples(["a", "b", "c"]) == " (a, b, c)"
    assert examples(["a", "b", "c", "d"]) == " (a, b, c, ...)"


def test_a_mistyped_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown dataset 'cremda'; did you mean 'cremad'"):
        audit("cremda", [], tmp_path)


@pytest.mark.parametrize("name", ["avmnist", "cremad", "urfunny", "ave"])
def test_without_any_file_all_is_unchecked_and_said(name: str, tmp_path: Path) -> None:
    answers = audit(name, [], tmp_path / "none")
    assert answers and {answer.severity for answer in answers} == {"not checked"}
    with pytest.raises(DataError, match=r"there is no .*gone; --raw needs an existing folder"):
        audit("ave", [tmp_path / "gone"], tmp_path / "none")


def test_files_are_found_by_name_at_most_four_levels_deep(tmp_path: Path) -> None:
    near, far = tmp_path / "1/2/3/4", tmp_path / "1/2/3/4/5"
    far.mkdir(parents=True)
    for path in (near / "a.txt", far / "a.txt", far / "b.txt", tmp_path / "c.txt"):
        path.write_text("")
    found = search([tmp_path])
    assert found.named("a.txt") == [near / "a.txt"] and not found.named("b.txt")
    assert search([far / "b.txt"]).named("b.txt") == [far / "b.txt"]
