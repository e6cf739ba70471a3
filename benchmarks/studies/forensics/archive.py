"""What the published archive of AV-MNIST holds, and whether it is what we infer.

Our inference from the published accuracies and from published weights: images of four PCA
components, and clean recordings in the order in which a pool of workers finished, so that most of
them say another digit than their image shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from datasets.avmnist.archive import Archive, Images
from datasets.avmnist.loader import AvMnist
from datasets.avmnist.matching import UNKNOWN, Recordings, Rows, jobs
from datasets.avmnist.spec import COMPONENTS, PARTS
from datasets.store.arrays import read_arrays

CLOSE = 0.05
"""Shares that differ by less agree with the simulation, whose spread is an assumption."""
COMPARED_IMAGES = 5_000
PAIRINGS = AvMnist.options["pairing"]


@dataclass(frozen=True)
class Answer:
    """What one part of the archive holds; shares are fractions of its rows.

    A row's spectrogram is `equal` to that of a known recording, or the nearest one is
    `nearly_equal`, or it is `unknown`. `other_part`: of a recording of the other part. `in_place`
    and `rows_moved`, the mean distance, are None if the order cannot be told. `as_rebuilt` is the
    relative difference to our images, None if labels or numbers differ.
    """

    rows: int
    equal: float
    nearly_equal: float
    unknown: float
    other_part: float
    right_digit: float
    in_place: float | None
    rows_moved: float | None
    components: int
    mean: float
    labels_as_mnist: float
    as_rebuilt: float | None


@dataclass(frozen=True)
class Verdict:
    """One statement of our inference against the archive."""

    statement: str
    expected: str
    found: str
    verdict: str


@dataclass(frozen=True)
class Study:
    """Everything that is said about an archive. `origin` (N,) is as `jobs` gives it."""

    known: Recordings
    rows: Rows
    origin: np.ndarray | None
    answers: Mapping[str, Answer]
    verdicts: tuple[Verdict, ...]


def study(archive: Archive, known: Recordings, rows: Rows, folder: Path) -> Study:
    """The answers, and the verdicts on our inference; `folder` holds the rebuilt data."""
    loader = AvMnist()
    manifest, remedy = loader.manifest(folder), loader.remedy()
    kinds = ("coefficients", "basis", "labels")
    rebuilt = read_arrays(
        folder, manifest, remedy, [f"{k}_{part}" for k in kinds for part in PARTS]
    )
    origin = jobs(rows, known)
    answers = {}
    for number, part in enumerate(PARTS):
        own = rows.parts == number
        recordings, levels = rows.recordings[own], rows.levels[own]
        is_known = recordings != UNKNOWN
        moved = None if origin is None else np.abs(np.flatnonzero(own) - origin[own])
        labels, ours = archive.labels[part], rebuilt[f"labels_{part}"]
        is_mnist = len(labels) == len(ours) and np.array_equal(labels, ours)
        images = rebuilt[f"coefficients_{part}"], rebuilt[f"basis_{part}"]
        answers[part] = Answer(
            rows=int(own.sum()),
            equal=_share(is_known & (levels == 0)),
            nearly_equal=_share(is_known & (levels > 0)),
            unknown=_share(~is_known),
            other_part=_share(is_known & (known.parts[recordings] != number)),
            right_digit=_share(is_known & (known.digits[recordings] == rows.labels[own])),
            in_place=None if moved is None else _share(moved == 0),
            rows_moved=None if moved is None else float(moved.mean()),
            components=len(archive.images[part].basis),
            mean=archive.images[part].mean,
            labels_as_mnist=_share(labels == ours) if len(labels) == len(ours) else 0.0,
            as_rebuilt=_difference(archive.images[part], *images) if is_mnist else None,
        )
    shares = {name: loader.train_shares(folder, name) for name in PAIRINGS}
    return Study(known, rows, origin, answers, tuple(_verdicts(answers, shares)))


def _share(hits: np.ndarray) -> float:
    return float(hits.mean())


def _difference(images: Images, coefficients: np.ndarray, basis: np.ndarray) -> float:
    """The root mean square difference of the first images, as a share of that of ours."""
    count = min(len(images.basis), len(basis))
    ours = coefficients[:COMPARED_IMAGES, :count].astype(np.float64) @ basis[:count]
    theirs = images.coefficients[:COMPARED_IMAGES] @ images.basis
    return float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))


def _verdicts(
    answers: Mapping[str, Answer], shares: Mapping[str, tuple[float, float]]
) -> Iterator[Verdict]:
    """`shares` are those in place and with the right digit that each simulated pairing gives."""
    train = answers["train"]
    found = [answer.components for answer in answers.values()]
    yield Verdict(
        "PCA components of the images",
        str(COMPONENTS),
        " and ".join(map(str, dict.fromkeys(found))),
        _verdict(set(found) == {COMPONENTS}),
    )
    clean = min(answer.equal for answer in answers.values())
    yield Verdict(
        "rows with the clean spectrogram of a known recording",
        "100 %",
        _percent(clean),
        _verdict(clean > 1 - CLOSE),
    )
    in_place, right_digit = shares["scrambled"]
    yield Verdict(
        "training rows whose recording says the right digit",
        _percent(right_digit),
        _percent(train.right_digit),
        _verdict(abs(train.right_digit - right_digit) < CLOSE),
    )
    told = train.in_place is not None
    yield Verdict(
        "training rows that keep their own recording",
        _percent(in_place),
        _percent(train.in_place) if told else "cannot be told",
        _verdict(abs(train.in_place - in_place) < CLOSE) if told else "open",  # type: ignore[operator]
    )
    nearest = min(shares, key=lambda name: abs(shares[name][1] - train.right_digit))
    yield Verdict(
        "simulated pairing with the nearest share of right digits",
        "scrambled",
        f"{nearest} ({_percent(shares[nearest][1])})",
        _verdict(nearest == "scrambled"),
    )


def _verdict(holds: bool) -> str:
    return "confirmed" if holds else "refuted"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


def row_lines(found: Study) -> Iterator[list[object]]:
    """One line of a CSV file per row of the archive, after the header."""
    yield ["part", "row", "label", "recording", "says", "levels_off", "made_for_row"]
    first = {number: int((found.rows.parts < number).sum()) for number in range(len(PARTS))}
    origin = [None] * len(found.rows.labels) if found.origin is None else found.origin.tolist()
    columns = (found.rows.parts, found.rows.labels, found.rows.recordings, found.rows.levels)
    for place, (part, label, recording, levels) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        start = first[part]
        name, digit = "", ""
        if recording != UNKNOWN:
            name, digit = found.known.names[recording], int(found.known.digits[recording])  # type: ignore[assignment]
        made_for = "" if origin[place] is None else origin[place] - start  # type: ignore[operator]
        yield [tuple(PARTS)[part], place - start, label, name, digit, levels, made_for]


def markdown(found: Study) -> str:
    """The verdicts, and the numbers of both parts, as two tables."""
    verdicts = [[v.statement, v.expected, v.found, v.verdict] for v in found.verdicts]
    head = ["our inference", "expected", "in the archive", "verdict"]
    numbers = {part: asdict(answer) for part, answer in found.answers.items()}
    names = list(numbers["train"])
    lines = [
        [name.replace("_", " "), *(_printed(numbers[p][name]) for p in PARTS)] for name in names
    ]
    tables = [
        tabulate(verdicts, head, tablefmt="pipe", disable_numparse=True),
        tabulate(lines, ["", *PARTS], tablefmt="pipe", disable_numparse=True),
    ]
    return "\n\n".join(tables) + "\n"


def _printed(value: float | None) -> str:
    if value is None:
        return "cannot be told"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def as_json(found: Study) -> dict[str, object]:
    """The answers and verdicts for other programs."""
    answers = {part: asdict(answer) for part, answer in found.answers.items()}
    return {"format": 1, "answers": answers, "verdicts": [asdict(v) for v in found.verdicts]}
