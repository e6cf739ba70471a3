"""Experiments: names, hashes, validation, seeds."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from benchmarks.plan.experiment import Experiment, derive_seed
from msam.optim import OptimConfig

BASE = Experiment("avmnist", "late", "msam", 0, 2, 64, "small_cnn", data={"fingerprint": "a"})
CHANGES = {
    "dataset": "ave",
    "fusion": "early",
    "method": "sam",
    "seed": 1,
    "epochs": 3,
    "batch_size": 32,
    "encoder": "resnet18",
    "optim": OptimConfig(lr=0.5),
    "precision": "bf16",
    "params": {"rho": 0.2},
    "data": {"fingerprint": "b"},
    "modalities": ("audio",),
    "train_samples": 10,
    "threads": 2,
    "memory_format": "channels_last",
}


def test_every_field_can_change_the_run_id():
    assert set(CHANGES) == {f.name for f in fields(Experiment)}
    ids = {replace(BASE, **{name: value}).run_id for name, value in CHANGES.items()}
    assert len(ids | {BASE.run_id}) == len(CHANGES) + 1


@pytest.mark.parametrize(("name", "value"), [("threads", 2), ("memory_format", "channels_last")])
def test_fields_that_came_later_leave_the_names_of_older_runs(name, value):
    """The id is one that was given before experiments had these fields."""
    assert BASE.run_id == "avmnist-late-msam-s0-caf9f86b93"
    assert name not in BASE.to_dict()
    changed = replace(BASE, **{name: value})
    assert changed.to_dict()[name] == value
    assert changed.cell_id != BASE.cell_id
    assert Experiment.from_dict(changed.to_dict()) == changed


def test_run_id_does_not_depend_on_the_order_of_parameters():
    one = replace(BASE, params={"rho": 1, "split": "scalar"})
    other = replace(BASE, params={"split": "scalar", "rho": 1})
    assert one.run_id == other.run_id


def test_seeds_and_preparations_of_the_data_share_a_cell():
    same = replace(BASE, seed=5, data={"fingerprint": "b"})
    assert same.cell_id == BASE.cell_id
    assert replace(BASE, params={"rho": 1}).cell_id != BASE.cell_id


def test_an_experiment_survives_its_json_form():
    full = replace(BASE, **CHANGES | {"precision": "fp32"})
    assert Experiment.from_dict(full.to_dict()) == full


def test_every_mistake_is_listed_at_once():
    wrong = BASE.to_dict() | {"fusion": "lat", "epochs": "3", "sed": 1, "batch_size": 1}
    wrong["optim"] = {"lr": -1, "momentun": 0.9}
    with pytest.raises(ValueError) as caught:
        Experiment.from_dict(wrong)
    text = str(caught.value)
    for part in ("'late'", "'epochs'", "'seed'", "'batch_size'", "'lr'", "'momentum'"):
        assert part in text


def test_streams_of_one_seed_and_seeds_of_one_stream_differ():
    streams = [(s, *name) for s in (0, 1) for name in (("init",), ("order", 1), ("order", 2))]
    assert len({derive_seed(*stream) for stream in streams}) == len(streams)
    assert derive_seed(0, "init") == derive_seed(0, "init") < 2**63


def test_a_whole_number_and_its_float_name_the_same_experiment():
    one, same = (replace(BASE, params={"rho": rho}) for rho in (1, 1.0))
    assert one.run_id == same.run_id
    assert replace(BASE, params={"rho": 1.5}).run_id != one.run_id


def test_a_modality_named_twice_is_refused():
    with pytest.raises(ValueError, match="one twice"):
        Experiment.from_dict(BASE.to_dict() | {"modalities": ["audio", "audio"]})
