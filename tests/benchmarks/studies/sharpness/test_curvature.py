"""Curvature against the exact Hessian of tiny models, both fusions."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, hessian
from torch.nn import functional as F

from benchmarks.models import build_model
from benchmarks.studies.sharpness.curvature import (
    SplitLoss,
    blocks,
    flat,
    largest_eigenvalue,
    mean_and_error,
    measure_block,
    quadratic_forms,
    sam_sharpness,
    unflattened,
)
from benchmarks.studies.sharpness.sharpness_files import CurvatureSettings
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Dense
from msam.model import evaluating
from tests.tiny import changed, snapshot, tiny_batches, tiny_model


class Rows:
    """A split of given rows, as `SplitLoss` uses one."""

    def __init__(self, inputs, labels):
        self.inputs, self.labels = inputs, labels

    def __len__(self):
        return len(self.labels)

    def batch(self, index):
        return {m: x[index] for m, x in self.inputs.items()}, self.labels[index]


def tiny_loss(fusion, dtype=torch.float64, chunk=3):
    """A model whose BatchNorm has seen data, in training mode, and eight rows."""
    model = tiny_model(fusion=fusion, dropout=0.4, dtype=dtype)
    batches = tiny_batches(2, dtype=dtype)
    torch.manual_seed(3)  # BatchNorm behind dropout: the same statistics at every call
    model(batches[1][0])
    return SplitLoss(model, Rows(*batches[0]), chunk)


def exact_hessian(loss, params):
    """H (P, P) of the mean loss with respect to `params`, by another route than ours."""
    names = {id(p): name for name, p in loss.model.named_parameters()}
    chosen = {names[id(p)]: p.detach() for p in params}
    inputs, labels = loss.split.inputs, loss.split.labels

    def mean_loss(vector):
        parts = vector.split([p.numel() for p in chosen.values()])
        shaped = {k: v.view_as(p) for v, (k, p) in zip(parts, chosen.items(), strict=True)}
        return F.cross_entropy(functional_call(loss.model, shaped, (inputs,)), labels)

    with evaluating(loss.model):
        return hessian(mean_loss)(flat(list(chosen.values())))


FUSIONS = pytest.mark.parametrize("fusion", ["late", "early"])
NAMES = {
    "late": ["model", "encoder_audio", "encoder_visual", "head_audio", "head_visual"],
    "early": ["model", "encoder_audio", "encoder_visual", "fusion"],
}


@FUSIONS
def test_the_parts_add_up_to_the_model(fusion):
    found = blocks(tiny_model(fusion=fusion))
    assert list(found) == NAMES[fusion]
    whole = {id(p) for p in found.pop("model")}
    parts = [id(p) for part in found.values() for p in part]
    assert len(parts) == len(whole) and set(parts) == whole


@FUSIONS
def test_a_product_with_every_unit_vector_gives_the_exact_hessian(fusion):
    loss = tiny_loss(fusion)
    for params in blocks(loss.model).values():
        exact = exact_hessian(loss, params)
        columns = [loss.hessian_product(params, e) for e in torch.eye(len(exact)).double()]
        assert torch.allclose(torch.stack(columns), exact, atol=1e-12)
        assert exact.abs().max() > 1e-3


@FUSIONS
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)])
def test_every_block_has_the_exact_largest_eigenvalue(fusion, dtype, tolerance):
    loss, exact = tiny_loss(fusion, dtype), tiny_loss(fusion)
    settings = CurvatureSettings(probes=2, tolerance=1e-5, iterations=200)
    for (name, params), same in zip(
        blocks(loss.model).items(), blocks(exact.model).values(), strict=True
    ):
        found = measure_block(loss, name, params, settings)
        true = torch.linalg.eigvalsh(exact_hessian(exact, same))[-1].item()
        assert found.converged
        assert found.eigenvalue == pytest.approx(true, rel=tolerance), name
        assert abs(found.eigenvalue - true) <= found.residual + tolerance * true
        assert found.residual <= 2e-5 * true + 1e-6


@FUSIONS
def test_unit_vectors_give_the_exact_trace_and_signs_give_it_within_their_error(fusion):
    loss = tiny_loss(fusion)
    settings = CurvatureSettings(probes=400, iterations=2)
    for name, params in blocks(loss.model).items():
        exact = exact_hessian(loss, params)

        def product(vector, params=params):
            return loss.hessian_product(params, vector)

        forms = quadratic_forms(product, torch.eye(len(exact)).double())
        assert torch.allclose(forms, exact.diagonal(), atol=1e-12)
        found = measure_block(loss, name, params, settings)
        trace = exact.trace().item()
        assert abs(found.trace - trace) <= 3 * found.trace_error, name
        spread = (2 * (exact.square().sum() - exact.diagonal().square().sum()) / 400).sqrt().item()
        assert found.trace_error == pytest.approx(spread, rel=0.25), name


def test_all_sign_vectors_together_give_the_exact_trace():
    matrix = torch.arange(16.0).view(4, 4)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)
    forms = quadratic_forms(lambda v: (matrix + matrix.T) @ v, signs)
    assert forms.mean().item() == pytest.approx(2 * (0 + 5 + 10 + 15))


def test_the_error_of_the_mean_is_that_of_the_textbook():
    assert mean_and_error(torch.tensor([1.0, 2.0, 3.0, 6.0])) == pytest.approx(
        (3.0, ((4 + 1 + 0 + 9) / 3 / 4) ** 0.5)
    )


def diagonal(values):
    entries = torch.tensor(values, dtype=torch.float64)
    return (lambda v: entries * v), torch.ones(len(values), dtype=torch.float64)


def test_the_largest_eigenvalue_is_the_most_positive_and_not_the_most_negative():
    found = largest_eigenvalue(*diagonal([-9.0, 1.0, 4.0]), tolerance=1e-9, iterations=50)
    assert found.value == pytest.approx(4.0) and found.converged


def test_equal_eigenvalues_and_a_zero_matrix_are_found_at_once():
    found = largest_eigenvalue(*diagonal([2.0] * 6), tolerance=1e-9, iterations=50)
    assert (found.value, found.products) == (pytest.approx(2.0), 2)
    zero = largest_eigenvalue(*diagonal([0.0] * 6), tolerance=1e-9, iterations=50)
    assert (zero.value, zero.residual, zero.converged) == (0.0, 0.0, True)


def test_a_search_cut_short_says_so_and_its_residual_is_honest():
    values = torch.linspace(0, 1, 200).double().tolist()
    product, start = diagonal(values)
    found = largest_eigenvalue(product, start, tolerance=1e-9, iterations=5)
    assert not found.converged and found.products == 6
    assert found.residual > 1e-3 and 1 - found.value > 1e-3
    assert min(abs(found.value - v) for v in values) <= found.residual
    done = largest_eigenvalue(product, start, tolerance=1e-4, iterations=100)
    assert done.converged and done.residual == pytest.approx(0, abs=1.1e-4)
    assert 10 < done.products < 60 and done.value == pytest.approx(1.0, abs=1e-4)


def test_single_precision_finds_each_copy_of_an_eigenvalue_once():
    """Without full orthogonalisation, ghosts would keep a long search from staying accurate."""
    values = torch.cat([torch.linspace(0, 1, 300), torch.tensor([50.0, 100.0])])
    found = largest_eigenvalue(lambda v: values * v, torch.ones(302), 0.0, 80)
    assert found.value == pytest.approx(100.0, rel=1e-6)
    assert found.residual < 1e-3


@FUSIONS
def test_sharpness_is_the_rise_after_one_step_of_length_rho_up_the_gradient(fusion):
    loss = tiny_loss(fusion)
    rises = {}
    for name, params in blocks(loss.model).items():
        gradient = loss.gradient(params)
        before, _ = loss.value()
        rises[name] = sam_sharpness(loss, params, gradient, 1e-4)
        vector = flat(gradient)
        step = 1e-4 * vector / vector.norm()
        linear = 1e-4 * vector.norm()
        curved = linear + step @ exact_hessian(loss, params) @ step / 2
        assert rises[name] == pytest.approx(curved.item(), rel=1e-8)
        assert sam_sharpness(loss, params, gradient, 0.0) == 0.0
        assert name != "model" or abs(linear / curved - 1) > 1e-6
        assert loss.value()[0] == before
    assert rises["model"] == max(rises.values())


@FUSIONS
def test_gradient_is_that_of_the_mean_over_all_rows_in_evaluation_mode(fusion):
    loss = tiny_loss(fusion)
    with evaluating(loss.model):
        mean = F.cross_entropy(loss.model(loss.split.inputs), loss.split.labels)
        exact = torch.autograd.grad(mean, list(loss.model.parameters()))
        correct = (loss.model(loss.split.inputs).argmax(1) == loss.split.labels).double().mean()
    assert torch.allclose(flat(loss.gradient(list(loss.model.parameters()))), flat(exact))
    assert loss.value() == (pytest.approx(mean.item()), pytest.approx(correct.item()))


@FUSIONS
def test_measuring_leaves_no_trace_in_the_model(fusion):
    loss = tiny_loss(fusion)
    before = snapshot(loss.model)
    for name, params in blocks(loss.model).items():
        measure_block(loss, name, params, CurvatureSettings(probes=2, iterations=3))
    assert not changed(before, snapshot(loss.model))
    assert all(module.training for module in loss.model.modules())
    assert all(p.grad is None for p in loss.model.parameters())


def test_the_same_block_gives_the_same_numbers_again():
    loss = tiny_loss("late")
    params = blocks(loss.model)["head_audio"]
    settings = CurvatureSettings(probes=3)
    first = measure_block(loss, "head_audio", params, settings)
    torch.rand(7)
    assert measure_block(loss, "head_audio", params, settings) == first


def test_segments_count_one_by_one_in_the_mean():
    model = build_model({"audio": (10, 6)}, 4, "late", "small_segment_lstm")
    clips, labels = torch.randn(5, 10, 6), torch.randint(4, (5, 10))
    loss = SplitLoss(model, SplitTensors({"audio": Dense(clips)}, labels), chunk=2)
    with torch.no_grad():
        logits = model({"audio": clips})
    value, accuracy = loss.value()
    assert value == pytest.approx(F.cross_entropy(logits, labels.flatten()).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1) == labels.flatten()).float().mean().item())


@pytest.mark.parametrize(
    ("encoder", "shape"), [("small_transformer", (7, 6)), ("small_segment_lstm", (10, 6))]
)
def test_every_kind_of_encoder_has_hessian_products(encoder, shape):
    model = build_model({"audio": shape}, 2, "late", encoder).double()
    segments = 10 if "segment" in encoder else 1
    labels = torch.randint(2, (4, segments)) if segments > 1 else torch.randint(2, (4,))
    split = SplitTensors({"audio": Doubles(torch.randn(4, *shape))}, labels)
    loss, params = SplitLoss(model, split), list(model.parameters())
    v = torch.randn(sum(p.numel() for p in params), dtype=torch.float64)
    product = loss.hessian_product(params, v)
    step = 1e-5
    gradients = []
    for sign in (1, -2):
        with torch.no_grad():
            for p, part in zip(params, unflattened(v, params), strict=True):
                p.add_(part, alpha=sign * step)
        gradients.append(flat(loss.gradient(params)))
    torch.testing.assert_close(
        product, (gradients[0] - gradients[1]) / (2 * step), rtol=1e-3, atol=1e-5
    )


class Doubles(Dense):
    """Samples in double precision, for finite differences."""

    def gather_distinct(self, rows):
        return super().gather_distinct(rows).double()
