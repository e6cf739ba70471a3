"""Evaluation against a plain pass over every sample."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from baselines.registry import build_method
from benchmarks.models import build_model
from benchmarks.training import evaluate as module
from benchmarks.training.evaluate import CHUNK, evaluate, samples_per_pass
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Dense, Indexed
from msam.model import EarlyFusion, LateFusion, MultimodalModel, present_only
from msam.optim import OptimConfig

SHAPES = {"audio": (1, 112, 112), "visual": (1, 28, 28)}


@pytest.fixture(params=["late", "early"])
def model(request):
    torch.manual_seed(1)
    model = build_model(SHAPES, 10, request.param, "small_cnn")
    model.train()
    model({m: torch.rand(8, *shape) for m, shape in SHAPES.items()})  # moves BatchNorm's means
    return model


def test_encoding_distinct_samples_once_equals_a_plain_pass(model, dataset):
    split = dataset.test.subset(torch.arange(70))
    result = evaluate(model, split)
    model.eval()
    with torch.no_grad():
        inputs, labels = split.batch(torch.arange(70))
        features = model.encode(inputs)
        absent = {m: torch.zeros_like(phi) for m, phi in features.items()}
        logits = {"mm": model(inputs)} | (
            {m: head(features[m]) for m, head in model.fusion.heads.items()}
            if hasattr(model.fusion, "heads")
            else {m: model.fusion(present_only(features, absent, {m})) for m in features}
        )
    for name, z in logits.items():
        assert (result.predictions[name] == z.argmax(1)).float().mean() > 0.98
        assert result.metrics[f"loss_{name}"] == pytest.approx(
            F.cross_entropy(z, labels).item(), rel=1e-4
        )
        correct = (result.predictions[name] == labels).double().mean().item()
        assert result.metrics[f"acc_{name}"] == pytest.approx(correct)
        assert torch.allclose(
            result.logits[name].float(), z - z.amax(1, keepdim=True), rtol=2**-10, atol=1e-4
        )


def test_logits_are_finite_and_keep_the_predicted_class(dataset):
    model = build_model(SHAPES, 10, "late", "small_cnn")
    for head in model.heads.values():
        torch.nn.init.normal_(head.weight, std=1e5)  # rows spread further than float16 can hold
    result = evaluate(model, dataset.val)
    for name, classes in result.predictions.items():
        logits = result.logits[name]
        assert logits.dtype == torch.float16 and logits.isfinite().all()
        assert (logits.amin(1) < -1e4).any()
        own = logits.gather(1, classes.long()[:, None])
        assert not own.any() and not logits.amax(1).any()


def test_evaluation_leaves_modes_statistics_and_random_state_alone(model, dataset):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    model.fusion.eval()
    evaluate(model, dataset.test)
    assert model.encoders.training and not model.fusion.training
    assert torch.equal(torch.get_rng_state(), random_state)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_method_that_swaps_the_fusion_is_evaluated_with_its_own(dataset):
    """Metrics and predictions, more rows than a chunk; each row is fused alone."""
    model = build_model(SHAPES, 10, "late", "small_cnn")
    method = build_method("mla", model, OptimConfig(lr=0.1))
    inputs, labels = dataset.train.batch(torch.arange(64))
    for _ in range(5):
        method.step(inputs, labels)
    split = dataset.test.subset(torch.arange(CHUNK + 20))
    result = evaluate(model, split)
    model.eval()
    with torch.no_grad():
        features = model.encode(split.batch(torch.arange(len(split)))[0])
        logits = [model.heads[m](phi) for m, phi in features.items()]
    entropies = [torch.distributions.Categorical(logits=z).entropy() for z in logits]
    weights = (-torch.stack(entropies)).softmax(0)[..., None]
    fused = (weights * torch.stack(logits)).sum(0)
    assert (result.predictions["mm"] == fused.argmax(1)).float().mean() > 0.98
    loss = F.cross_entropy(fused, split.flat_labels).item()
    assert result.metrics["loss_mm"] == pytest.approx(loss, rel=1e-4)
    plain = F.cross_entropy(sum(logits), split.flat_labels).item()
    assert result.metrics["loss_mm"] != pytest.approx(plain, rel=1e-3)


def test_a_single_modality_alone_is_the_whole_model(dataset):
    model = build_model({"audio": SHAPES["audio"]}, 10, "late", "small_cnn")
    metrics = evaluate(model, dataset.val).metrics
    assert metrics["acc_mm"] == metrics["acc_audio"]
    assert "acc_visual" not in metrics
    assert set(evaluate(model, dataset.val).logits) == {"mm"}


@pytest.mark.parametrize("fusion", ["late", "early"])
@pytest.mark.parametrize("chunk", [500, 3])
def test_three_modalities_are_evaluated_with_each_left_out(fusion, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    torch.manual_seed(1)
    shapes = {"audio": (4,), "visual": (5,), "text": (6,)}
    widths = {m: 8 for m in shapes}
    encoders = {m: torch.nn.Linear(*shape, 8) for m, shape in shapes.items()}
    kind = {"late": LateFusion, "early": EarlyFusion}[fusion]
    model = MultimodalModel(encoders, kind(widths, 3)).eval()
    inputs = {m: Dense(torch.rand(7, *shape)) for m, shape in shapes.items()}
    split = SplitTensors(inputs, torch.arange(7) % 3)
    result = evaluate(model, split)
    with torch.no_grad():
        features = model.encode(split.batch(torch.arange(7))[0])
        absent = {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}
        for m in shapes:
            expected = model.logits_without(m, features, absent).argmax(1)
            assert result.predictions[f"without_{m}"].tolist() == expected.tolist()
    assert set(result.logits) == {"mm", *shapes}
    assert {n.partition("_")[2] for n in result.metrics} == {"mm", *shapes}


def test_of_two_modalities_none_is_left_out_as_the_other_says_it(model, dataset):
    assert set(evaluate(model, dataset.val).predictions) == {"mm", "audio", "visual"}


SEGMENTS = 3


@pytest.fixture(params=["late", "early"])
def segment_model(request):
    torch.manual_seed(1)
    shapes = {"audio": (SEGMENTS, 4), "visual": (SEGMENTS, 2, 2, 5)}
    return build_model(shapes, 4, request.param, "small_segment_lstm").eval()


@pytest.fixture
def segments():
    """Seven samples of three segments; audio has four distinct ones, in no order."""
    sounds = torch.randint(256, (4, SEGMENTS, 4), dtype=torch.uint8)
    audio = Indexed(sounds, torch.tensor([3, 1, 1, 0, 3, 1, 0]))
    labels = torch.arange(7 * SEGMENTS).view(7, SEGMENTS) % 4
    return SplitTensors({"audio": audio, "visual": Dense(torch.rand(7, 3, 2, 2, 5))}, labels)


@pytest.mark.parametrize("chunk", [500, 2])
def test_segments_are_evaluated_one_by_one(segment_model, segments, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    result = evaluate(segment_model, segments)
    inputs, labels = segments.batch(torch.arange(7))
    with torch.no_grad():
        features = segment_model.encode(inputs)
        absent = {m: torch.zeros_like(phi) for m, phi in features.items()}
        logits = {"mm": segment_model(inputs)} | segment_model.modality_logits(features, absent)
    for name, z in logits.items():
        assert result.predictions[name].tolist() == z.argmax(1).tolist()
        assert result.logits[name].argmax(1).tolist() == z.argmax(1).tolist()
        assert result.metrics[f"loss_{name}"] == pytest.approx(F.cross_entropy(z, labels).item())
        right = (z.argmax(1) == labels).double().mean().item()
        assert result.metrics[f"acc_{name}"] == pytest.approx(right)


@pytest.mark.parametrize(
    ("shape", "count"),
    [((1, 28, 28), 4096), ((1, 112, 112), 1337), ((3, 224, 224), 111), ((99, 999, 999), 1)],
)
def test_a_pass_on_a_gpu_goes_by_the_size_of_a_sample(shape, count):
    assert samples_per_pass(shape, torch.device("cuda")) == count
    assert samples_per_pass(shape, torch.device("cpu")) == CHUNK
