"""The loss surface: its directions, its grid, its file, and the weights afterwards."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from benchmarks.studies.sharpness.curvature import SplitLoss
from benchmarks.studies.sharpness.probe import fill_surface, random_direction
from benchmarks.studies.sharpness.sharpness_files import CurvatureSettings, Surface, SurfaceSettings
from tests.benchmarks.studies.sharpness.test_curvature import tiny_loss
from tests.tiny import changed, snapshot, tiny_model

SETTINGS = SurfaceSettings(grid=5, span=0.5)


def file_of(tmp_path, settings=SETTINGS, run_id="run"):
    return tmp_path / f"{run_id}-{settings.digest}.csv"


def untracked(points, title):
    return points


@pytest.mark.parametrize("fusion", ["late", "early"])
def test_every_filter_of_a_direction_has_the_norm_of_the_weights_filter(fusion):
    model = tiny_model(count=3, fusion=fusion)
    params = list(model.parameters())
    direction = random_direction(params, 0, "x")
    for p, d in zip(params, direction, strict=True):
        if p.ndim < 2:
            assert not d.any()
        else:
            assert torch.allclose(d.flatten(1).norm(dim=1), p.flatten(1).norm(dim=1))
            cosine = torch.cosine_similarity(d.flatten(), p.detach().flatten(), dim=0)
            assert abs(cosine) < 0.9
    assert {p.ndim for p in params} == {1, 2, 4}


def test_a_filter_of_zeros_stays_where_it_is():
    weights = nn.Parameter(torch.ones(2, 3))
    with torch.no_grad():
        weights[1] = 0
    (direction,) = random_direction([weights], 0, "x")
    assert direction[0].norm() == pytest.approx(3**0.5) and not direction[1].any()


def test_methods_share_the_draws_and_seeds_and_axes_do_not():
    first, other = (list(tiny_model(seed=seed).parameters()) for seed in (0, 1))

    def unit(params, *which):
        return torch.cat([d.flatten() for d in _unit(random_direction(params, *which))])

    def _unit(tensors):
        return [nn.functional.normalize(d.flatten(1)) for d in tensors if d.ndim > 1]

    assert torch.allclose(unit(first, 0, "x"), unit(other, 0, "x"))
    assert not torch.allclose(unit(first, 0, "x"), unit(first, 0, "y"), atol=0.1)
    assert not torch.allclose(unit(first, 0, "x"), unit(first, 1, "x"), atol=0.1)


def test_every_point_is_the_loss_of_the_weights_moved_there(tmp_path):
    loss = tiny_loss("early")
    surface = Surface("run", SETTINGS)
    start = snapshot(loss.model)
    params = list(loss.model.parameters())
    x_step, y_step = (random_direction(params, 0, axis) for axis in ("x", "y"))
    fill_surface(loss, surface, file_of(tmp_path), untracked)
    assert not changed(start, snapshot(loss.model)), "bit for bit, buffers included"
    assert all(module.training for module in loss.model.modules())
    assert surface.points[0.0, 0.0] == loss.value()
    assert len(surface.points) == 25
    with torch.no_grad():
        for p, dx, dy in zip(params, x_step, y_step, strict=True):
            p += 0.5 * dx - 0.25 * dy
    assert surface.points[0.5, -0.25] == pytest.approx(loss.value())
    assert len({value for value, _ in surface.points.values()}) == 25


class Killed(Exception):
    """Stands for a killed process."""


def test_a_surface_goes_on_from_the_points_at_hand(tmp_path, monkeypatch):
    loss, path = tiny_loss("late"), file_of(tmp_path)
    start = snapshot(loss.model)
    alone = Surface("run", SETTINGS)
    fill_surface(loss, alone, path, untracked)
    content = path.read_bytes()
    path.unlink()

    def interrupted(points, title):
        yield from points[:7]
        raise Killed

    with pytest.raises(Killed):
        fill_surface(loss, Surface("run", SETTINGS), path, interrupted)
    assert not changed(start, snapshot(loss.model)), "also after an error"
    found = Surface.load(path)
    assert len(found.points) == 7 and len(found.missing()) == 18
    evaluated = []
    value = SplitLoss.value
    monkeypatch.setattr(SplitLoss, "value", lambda self: evaluated.append(1) or value(self))
    fill_surface(loss, found, path, untracked)
    assert len(evaluated) == 18
    assert path.read_bytes() == content
    assert Surface.load(path) == alone


def test_the_grid_has_its_centre_and_both_ends():
    assert SurfaceSettings(grid=5, span=0.5).axis == [-0.5, -0.25, 0.0, 0.25, 0.5]
    assert SurfaceSettings(grid=21, span=0.7).axis[10] == 0.0


ROWS = [{}, {"split": "test"}, {"samples": 400}]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (SurfaceSettings, [*ROWS, {"grid": 7}, {"span": 0.6}, {"seed": 1}]),
        (CurvatureSettings, [*ROWS, {"rho": 0.1}, {"probes": 3}]),
    ],
)
def test_other_settings_have_another_file(kind, changes):
    assert len({kind(**change).digest for change in changes}) == len(changes)


def written(tmp_path):
    surface = Surface("run", SETTINGS, {(0.0, 0.25): (1.5, 0.5), (0.5, 0.5): (float("inf"), 0.1)})
    path = file_of(tmp_path)
    surface.save(path)
    assert Surface.load(path) == surface
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.0,0.25,1.5,0.5", "0.0,0.3,1.5,0.5"),
        ("0.0,0.25,1.5,0.5", "0.0,0.25,-1.5,0.5"),
        ("0.0,0.25,1.5,0.5", "0.0,0.25,nan,0.5"),
        ("0.0,0.25,1.5,0.5", "0.0,0.25,1.5,1.5"),
        ("0.0,0.25,1.5,0.5", "0.0,0.25,1.5"),
        ("x,y,loss,accuracy", "y,x,loss,accuracy"),
        ('"grid": 5', '"grid": 7'),
        ('"grid": 5', '"gird": 5'),
        ('"run_id": "run"', '"run_id": "other"'),
        ('"schema": 1', '"schema": 2'),
        ("# {", "# "),
        (None, ""),
    ],
)
def test_a_damaged_file_is_named(tmp_path, old, new):
    path = written(tmp_path)
    text = path.read_text()
    old = old or text
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=f"{path} .*readable loss surface"):
        Surface.load(path)


def test_the_settings_stand_above_the_numbers(tmp_path):
    first, second, *_ = written(tmp_path).read_text().splitlines()
    header = json.loads(first.removeprefix("# "))
    assert header["settings"]["span"] == 0.5 and header["run_id"] == "run"
    assert second == "x,y,loss,accuracy"
