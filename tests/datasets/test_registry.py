"""Names, options, fingerprints and states, without torch where none is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from datasets import registry
from datasets.errors import DataError

REPOSITORY = Path(__file__).parents[2]


def test_a_mistyped_dataset_names_the_nearest() -> None:
    with pytest.raises(DataError, match="unknown dataset 'avmnsit'; did you mean 'avmnist'"):
        registry.spec("avmnsit")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pairng": "aligned"}, "option of avmnist 'pairng'; did you mean 'pairing'"),
        ({"pairing": "alined"}, "pairing 'alined'; did you mean 'aligned'"),
        ({"components": 5}, "components=5; prepared are 1 to 4"),
        ({"components": "0"}, "components='0'; prepared are 1 to 4"),
        ({"components": 2.5}, "prepared are 1 to 4"),
    ],
)
def test_wrong_options_are_refused(shared_stand_in: Path, options: dict, text: str) -> None:
    for use in (registry.load, registry.fingerprint):
        with pytest.raises(DataError, match=text):
            use("avmnist", shared_stand_in, options)


def test_splits_are_disjoint_and_validation_is_the_tail_of_train(shared_stand_in: Path) -> None:
    data = registry.load("avmnist", shared_stand_in)
    assert (len(data.train), len(data.val), len(data.test)) == (2200, 200, 600)
    train, val = (split.inputs["visual"].coefficients for split in (data.train, data.val))
    assert len(torch.cat([train, val]).unique(dim=0)) == 2400


def test_three_components_are_the_first_of_four(shared_stand_in: Path) -> None:
    rows = torch.arange(50)
    images = {
        n: registry.load("avmnist", shared_stand_in, {"components": n}).test.batch(rows)[0][
            "visual"
        ]
        for n in (3, 4)
    }
    source = registry.load("avmnist", shared_stand_in).test.inputs["visual"]
    fourth = source.coefficients[rows, 3, None] * source.basis[3] / 255
    torch.testing.assert_close(images[3] + fourth.view(-1, 1, 28, 28), images[4])


def test_only_the_pairing_differs_between_pairings(shared_stand_in: Path) -> None:
    rows = torch.arange(600)
    aligned, scrambled = (
        registry.load("avmnist", shared_stand_in, {"pairing": pairing}).test.batch(rows)
        for pairing in ("aligned", "scrambled")
    )
    assert torch.equal(aligned[1], scrambled[1])
    assert torch.equal(aligned[0]["visual"], scrambled[0]["visual"])
    assert not torch.equal(aligned[0]["audio"], scrambled[0]["audio"])


def test_planning_needs_neither_torch_nor_numpy(shared_stand_in: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from datasets import registry;"
        "registry.fingerprint('avmnist', Path(sys.argv[1]), {}); registry.spec('avmnist');"
        "sys.exit(', '.join({'torch', 'numpy', 'scipy'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", script, str(shared_stand_in)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def folder_with(path: Path, text: str) -> None:
    path.mkdir()
    (path / "loader.py").write_text("from datasets.loader import Loader\n" + text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "defines 0 subclasses of Loader"),
        ("class A(Loader): ...\nclass B(Loader): ...\n", "defines 2 subclasses of Loader"),
        (
            "from datasets.ave.spec import PUBLISHED\nclass A(Loader): spec = PUBLISHED.spec\n",
            "'ave'",
        ),
    ],
)
def test_a_loader_that_does_not_fit_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    folder_with(tmp_path / "odd", text)
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    monkeypatch.setattr("datasets.__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "datasets.odd", raising=False)
    try:
        with pytest.raises(ValueError, match=rf"odd/loader\.py .*{problem}"):
            registry._found()
    finally:
        for name in ("datasets.odd", "datasets.odd.loader"):
            sys.modules.pop(name, None)
