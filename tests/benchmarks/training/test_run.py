"""The training harness on stand-in data: same batches for all, exact resume, honest endings."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from baselines.joint_train import JointTrain
from baselines.registry import METHODS
from benchmarks.records.folders import Folders
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import logit_epochs
from benchmarks.training import run as harness
from benchmarks.training import state
from benchmarks.training.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.training.context import Reporter
from benchmarks.training.run import patience, run
from benchmarks.training.state import Training
from msam.optim import OptimConfig


class Interrupted(Exception):
    """Stands for a killed process: raised after a finished epoch."""


def interrupt_after(epochs):
    seen = []

    def say(text):
        seen.append(text)
        if sum("epoch" in line and "/" in line for line in seen) == epochs:
            raise Interrupted

    return Reporter(say, lambda batches, title: batches)


def without_timing(record):
    content = json.loads(json.dumps(record.experiment.to_dict()))
    return content, record.history, record.status, record.data, record.method_params


@pytest.fixture(scope="module")
def little(dataset):
    """The same data with little to evaluate on, for tests that every method goes through."""
    rows = torch.arange(40)
    return replace(dataset, val=dataset.val.subset(rows), test=dataset.test.subset(rows))


SMALL = {"batch_size": 16, "train_samples": 80}


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("fusion", ["late", "early"])
def test_a_run_resumed_after_every_epoch_gives_the_same_record(
    name, fusion, experiment, little, context, elsewhere
):
    if reason := METHODS[name].unsupported(little.spec.modalities, fusion):
        pytest.skip(reason)
    optim = OptimConfig(lr=0.02, decay_epochs=1)
    what = experiment(method=name, fusion=fusion, epochs=3, optim=optim, **SMALL)
    alone = run(what, little, context)
    for _ in range(2):
        with pytest.raises(Interrupted):
            run(what, little, replace(elsewhere, reporter=interrupt_after(1)))
        assert elsewhere.folders.checkpoint(what.run_id).exists()
    resumed = run(what, little, elsewhere)
    assert without_timing(resumed) == without_timing(alone)
    predictions = [np.load(c.folders.predictions(what.run_id)) for c in (context, elsewhere)]
    assert set(predictions[0]) == set(predictions[1])
    assert all(np.array_equal(predictions[0][key], predictions[1][key]) for key in predictions[0])
    assert not elsewhere.folders.checkpoint(what.run_id).exists()


def half_of(content):
    return content[: len(content) // 2]


def one_bit_flipped(content):
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    return bytes(flipped)


@pytest.mark.parametrize("damage", [half_of, one_bit_flipped, lambda content: b"", lambda c: b"x"])
def test_a_damaged_checkpoint_is_set_aside_and_the_run_starts_again(
    damage, experiment, dataset, folders, context, elsewhere
):
    what = experiment(epochs=3, train_samples=192)
    alone = run(what, dataset, elsewhere)
    with pytest.raises(Interrupted):
        run(what, dataset, replace(context, reporter=interrupt_after(2)))
    path = folders.checkpoint(what.run_id)
    path.write_bytes(damage(path.read_bytes()))
    lines = []
    again = run(what, dataset, replace(context, reporter=Reporter(lines.append)))
    assert without_timing(again) == without_timing(alone)
    assert any("damaged" in line for line in lines)
    assert path.with_name(f"{path.name}.damaged").exists()


def test_a_checkpoint_that_fits_only_in_part_leaves_no_trace(
    experiment, dataset, folders, context, elsewhere
):
    what = experiment(epochs=3, train_samples=192)
    alone = run(what, dataset, elsewhere)
    with pytest.raises(Interrupted):
        run(what, dataset, replace(context, reporter=interrupt_after(2)))
    path = folders.checkpoint(what.run_id)
    state = load_checkpoint(path)
    save_checkpoint(path, {**state, "history": state["history"][:-5]})
    assert without_timing(run(what, dataset, context)) == without_timing(alone)


def test_a_checkpoint_cannot_execute_code(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path.joinpath("owned").write_text, ("yes",))

    save_checkpoint(tmp_path / "evil.pt", {"model": Hostile()})
    with pytest.raises(pickle.UnpicklingError):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "owned").exists()


def test_every_method_sees_the_same_batches_and_initial_weights(
    experiment, little, monkeypatch, context
):
    seen, initial = {}, []
    start, build = Training.start, state.build_method

    def built(name, model, *words, **params):
        initial.append(weights_of(model))  # before a method may share some of them
        return build(name, model, *words, **params)

    def spied(*words):
        training = start(*words)
        batches = seen[words[0].method] = [initial.pop()]
        step = training.method.step

        def spy(inputs, labels):
            batches.append(torch.cat([inputs["visual"].flatten(), labels.float()]))
            return step(inputs, labels)

        training.step = spy
        return training

    monkeypatch.setattr(state, "build_method", built)
    monkeypatch.setattr(Training, "start", spied)
    for name in METHODS:
        run(experiment(method=name, **SMALL), little, context)
    first = seen.pop("joint_train")
    assert len(first) == 1 + 2 * 5
    assert not torch.equal(first[1], first[6]), "every epoch has its own order"
    for batches in seen.values():
        assert all(torch.equal(a, b) for a, b in zip(first, batches, strict=True))


def weights_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_seeds_change_weights_and_order_but_not_the_part_that_is_trained_on(
    experiment, dataset, monkeypatch, context
):
    labels, weights = [], []

    step = JointTrain.step

    def spy(self, inputs, y):
        weights.append(next(self.model.parameters()).detach().clone())
        labels.append(y)
        return step(self, inputs, y)

    monkeypatch.setattr(JointTrain, "step", spy)
    for seed in (0, 1):
        run(experiment(seed=seed, epochs=1), dataset, context)
    assert not torch.equal(weights[0], weights[5])
    one, other = torch.cat(labels[:5]), torch.cat(labels[5:])
    assert not torch.equal(one, other)
    assert torch.equal(one.bincount(), other.bincount())


def rows_of(images):
    return {row.numpy().tobytes() for row in images}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_method_ever_receives_anything_of_the_test_split(
    name, experiment, dataset, little, monkeypatch, context
):
    received, images = [], []
    start = Training.start

    def spied(*words):
        training = start(*words)
        method, step, end_epoch = training.method, training.method.step, training.method.end_epoch

        def see_batch(inputs, labels):
            images.append(inputs["visual"])
            return step(inputs, labels)

        def see_metrics(val):
            received.append(dict(val))
            end_epoch(val)

        training.step, method.end_epoch = see_batch, see_metrics
        return training

    monkeypatch.setattr(Training, "start", spied)
    record = run(experiment(method=name, **SMALL), little, context)
    assert received == [entry["val"] for entry in record.history]
    assert all(e["val"] != e["test"] for e in record.history)
    train, _ = dataset.train.batch(torch.arange(len(dataset.train)))
    test, _ = dataset.test.batch(torch.arange(len(dataset.test)))
    seen = rows_of(torch.cat(images))
    assert seen <= rows_of(train["visual"])
    assert not seen & rows_of(test["visual"])


def test_a_divergent_run_is_recorded_as_such(experiment, dataset, folders, context):
    wild = experiment(optim=OptimConfig(lr=1e20), epochs=3)
    record = run(wild, dataset, context)
    assert record.status == "diverged"
    assert "epoch 1" in record.reason
    assert RunRecord.load(folders.record(wild.run_id)) == record


def test_accuracies_that_stop_being_numbers_are_a_divergence_too(
    experiment, dataset, folders, context
):
    """The last step of the only epoch ruins the weights after its loss was taken."""
    wild = experiment(optim=OptimConfig(lr=1e30), train_samples=64, epochs=3)
    record = run(wild, dataset, context)
    assert record.status == "diverged"
    assert record.history == ()
    assert not folders.checkpoint(wild.run_id).exists()


def test_an_epochs_training_metrics_are_the_means_of_its_steps(
    experiment, dataset, monkeypatch, context
):
    returned = []
    step = JointTrain.step

    def spy(self, inputs, labels):
        assert self.model.training
        returned.append(step(self, inputs, labels))
        return returned[-1]

    monkeypatch.setattr(JointTrain, "step", spy)
    record = run(experiment(), dataset, context)
    for epoch, steps in zip(record.history, (returned[:5], returned[5:]), strict=True):
        for name in ("loss_mm", "acc_mm"):
            mean = sum(s[name].item() for s in steps) / 5
            assert epoch["train"][name] == pytest.approx(mean, rel=1e-6)


def test_a_record_says_what_ran(experiment, dataset, context):
    optim = OptimConfig(lr=0.02, decay_epochs=1)
    what = experiment(method="msam", params={"rho": 0.1}, optim=optim)
    record = run(what, dataset, context)
    assert [e["lr"] for e in record.history] == pytest.approx([0.02, 0.002])
    assert record.method_params["rho"] == 0.1
    assert record.method_params["split"] == "scalar"
    sizes = {"train": 320, "val": len(dataset.val), "test": len(dataset.test)}
    assert record.data["sizes"] == sizes
    assert record.data["fingerprint"] == dataset.fingerprint
    assert record.parameters == sum(p.numel() for p in training_model(what, dataset).parameters())
    assert record.timing["seconds"] == pytest.approx(sum(record.timing["epoch_seconds"]))
    assert len(record.timing["epoch_seconds"]) == 2
    assert {"commit", "device", "torch", "threads"} <= set(record.environment)


def training_model(what, dataset):
    return Training.start(what, dataset.spec, torch.device("cpu")).method.model


def test_the_part_that_is_trained_on_is_random(experiment, dataset):
    part = harness.training_part(dataset.train, experiment())
    assert len(part) == 320
    assert not torch.equal(part.labels, dataset.train.labels[:320])


def test_a_methods_own_draws_depend_on_the_seed_alone(
    experiment, dataset, monkeypatch, tmp_path, context
):
    drawn = []
    step = JointTrain.step

    def spy(self, inputs, labels):
        drawn.append(torch.rand((), generator=self.generator).item())
        return step(self, inputs, labels)

    monkeypatch.setattr(JointTrain, "step", spy)
    for place, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(3)  # whatever was drawn before does not matter
        run(experiment(seed=seed), dataset, replace(context, folders=Folders(tmp_path / place)))
    assert drawn[:10] == drawn[10:20] != drawn[20:]
    assert len(set(drawn[:10])) == 10


def test_predictions_are_those_of_the_reported_accuracies(experiment, dataset, folders, context):
    record = run(experiment(epochs=4), dataset, context)
    stored = np.load(folders.predictions(record.run_id), allow_pickle=False)
    for entry in record.history:
        for output in ("mm", "audio", "visual"):
            key = f"epoch{entry['epoch']}_{output}"
            if key in stored:
                accuracy = (stored[key] == stored["labels"]).mean()
                assert accuracy == pytest.approx(entry["test"][f"acc_{output}"])
    assert f"epoch{len(record.history)}_mm" in stored
    assert len([key for key in stored if key.endswith("_mm")]) <= 3


@pytest.mark.parametrize("modalities", [(), ("audio",)])
def test_logits_are_stored_where_a_rule_without_test_data_reports(
    modalities, experiment, dataset, folders, context
):
    what = experiment(epochs=4, modalities=modalities)
    record = run(what, dataset, context)
    stored = np.load(folders.predictions(record.run_id), allow_pickle=False)
    kept = np.load(folders.logits(record.run_id), allow_pickle=False)
    outputs = ["mm"] if modalities else ["mm", "audio", "visual"]
    expected = {(e, output) for e in logit_epochs(record.history) for output in outputs}
    assert {f"epoch{e}_{o}_logits" for e, o in expected} == set(kept)
    read = Predictions(folders.predictions(record.run_id).parent)
    labels = torch.from_numpy(stored["labels"]).long()
    for number, output in expected:
        logits = read.logits(record, number, output)
        assert (logits.argmax(1) == stored[f"epoch{number}_{output}"]).mean() > 0.999
        loss = F.cross_entropy(torch.from_numpy(logits), labels).item()
        reported = record.history[number - 1]["test"][f"loss_{output}"]
        assert loss == pytest.approx(reported, rel=1e-3)


def test_logits_are_dropped_where_the_test_accuracy_alone_would_report():
    training = Training(None, None, "")
    for number, (val, test) in enumerate([(0.5, 0.9), (0.7, 0.6), (0.1, 0.1)], 1):
        entry = {"epoch": number, "val": {"acc_mm": val}, "test": {"acc_mm": test}}
        training.add(entry, {"mm": torch.zeros(2), "mm_logits": torch.zeros(2, 2)}, 1.0)
    stored = {number: set(arrays) for number, arrays in training.numpy_predictions().items()}
    assert stored == {1: {"mm"}, 2: {"mm", "mm_logits"}, 3: {"mm", "mm_logits"}}


def test_stand_in_data_is_marked_and_learnable_with_audio_dominant(experiment, dataset, context):
    what = experiment(epochs=5, train_samples=None, optim=OptimConfig(lr=0.05))
    record = run(what, dataset, context)
    test = record.history[-1]["test"]
    assert record.stand_in
    assert test["acc_mm"] > 0.6
    assert test["acc_audio"] > test["acc_visual"] + 0.1


def test_too_few_samples_for_a_batch_are_refused(experiment, dataset, context):
    with pytest.raises(ValueError, match="10 training samples do not fill a batch of 64"):
        run(experiment(train_samples=10), dataset, context)


def test_a_run_ends_early_when_the_method_says_so(experiment, dataset, monkeypatch, context):
    monkeypatch.setattr(JointTrain, "finished", property(lambda self: self.epoch >= 1))
    assert len(run(experiment(epochs=3), dataset, context).history) == 1


def test_a_checkpoint_holds_plain_values_and_tensors_only(experiment, dataset, cpu, tmp_path):
    training = Training.start(experiment(), dataset.spec, cpu)
    save_checkpoint(tmp_path / "c.pt", training.state_dict())
    assert load_checkpoint(tmp_path / "c.pt").keys() == training.state_dict().keys()


def test_checkpoints_are_a_minute_apart_unless_told_otherwise(
    experiment, little, context, monkeypatch
):
    saved = []
    keep = harness.keep_checkpoint
    monkeypatch.setattr(harness, "keep_checkpoint", lambda *words: (saved.append(1), keep(*words)))
    run(experiment(epochs=3, train_samples=64), little, context)
    assert len(saved) == 3
    monkeypatch.delenv("MSAM_CHECKPOINT_SECONDS")
    assert patience() == 60
    run(experiment(epochs=4, train_samples=64), little, context)
    assert len(saved) == 3


@pytest.mark.parametrize("typed", ["soon", "-1", "nan"])
def test_a_wrong_time_between_checkpoints_is_named(typed, monkeypatch):
    monkeypatch.setenv("MSAM_CHECKPOINT_SECONDS", typed)
    with pytest.raises(ValueError, match=f"MSAM_CHECKPOINT_SECONDS is '{typed}'"):
        patience()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_channels_last_changes_rounding_alone(name, experiment, little, context):
    """In float64, where rounding is small. OGM-GE's noise is off: it falls on other weights."""
    plain = experiment(method=name, params={"noise": False} if name == "ogm_ge" else {}, **SMALL)
    orders = [plain, replace(plain, memory_format="channels_last")]
    torch.set_default_dtype(torch.float64)
    try:
        methods = [Training.start(what, little.spec, context.device).method for what in orders]
    finally:
        torch.set_default_dtype(torch.float32)
    inputs, labels = little.train.batch(torch.arange(16))
    for method in methods:
        method.model.train()
        method.generator.manual_seed(0)
        method.step({m: x.double() for m, x in inputs.items()}, labels)
    weights, reordered = (method.model.state_dict() for method in methods)
    for key, value in reordered.items():
        torch.testing.assert_close(value, weights[key])
        assert value.ndim != 4 or value.is_contiguous(memory_format=torch.channels_last)


def test_a_run_in_channels_last_resumes_exactly(experiment, little, context, elsewhere):
    what = experiment(memory_format="channels_last", **SMALL)
    alone = run(what, little, context)
    with pytest.raises(Interrupted):
        run(what, little, replace(elsewhere, reporter=interrupt_after(1)))
    again = run(what, little, elsewhere)
    assert without_timing(again) == without_timing(alone)
    assert again.experiment.memory_format == "channels_last"
