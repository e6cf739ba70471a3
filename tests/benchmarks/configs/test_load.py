"""The shipped configuration, and mistakes in one's own."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from baselines.registry import METHODS
from benchmarks.configs.load import CONFIGS, load_config, lookup
from benchmarks.plan.check import experiment_problems
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import DataState, data_options, experiment_values, plan_suite
from datasets.registry import LOADERS
from datasets.tensors.label_noise import noisy_fingerprint


@pytest.fixture
def edit(tmp_path):
    """Replaces text in a copy of a config file and loads the copy."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIGS, folder)

    def replace(file, *pairs):
        text = (folder / file).read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / file).write_text(text)
        return load_config(folder)

    return replace


def test_every_registered_method_has_an_entry_and_every_entry_a_method():
    assert set(load_config().methods) == set(METHODS)


@pytest.mark.parametrize("profile", load_config().profiles)
@pytest.mark.parametrize("suite", load_config().suites)
def test_every_shipped_experiment_can_run(profile, suite):
    config = load_config()
    states = {name: DataState("fingerprint") for name in config.datasets}
    cells = plan_suite(config, suite, config.profiles[profile], states)
    templates = [c.template for c in cells]
    assert {t.dataset for t in templates} == set(config.datasets)
    assert [p for t in templates for p in experiment_problems(t)] == []


def test_rows_change_hyperparameters_and_wrong_labels():
    config = load_config()
    states = {name: DataState("fingerprint") for name in config.datasets}
    cells = plan_suite(config, "noise", config.profiles["paper"], states)
    [noisy] = [c for c in cells if c.row.label == "SAM, 40 % wrong" and c.dataset == "ave"]
    assert noisy.template.data["label_noise"] == 40
    assert noisy.template.data["fingerprint"] == noisy_fingerprint("fingerprint", 40)
    clean = next(c for c in cells if c.row.label == "SAM" and c.dataset == "ave")
    assert clean.template.data["fingerprint"] == "fingerprint"
    assert "label_noise" not in clean.template.data


def test_a_row_may_name_its_fusion():
    config = load_config()
    states = {name: DataState("fingerprint") for name in config.datasets}
    planned = {
        suite: plan_suite(config, suite, config.profiles["paper"], states)
        for suite in ("table1", "table2", "extended")
    }
    found = {c.template.run_id: c for c in planned["extended"]}
    shared = [c for suite in ("table1", "table2") for c in planned[suite]]
    assert {c.template.run_id for c in shared} <= set(found), "their runs are shared"
    assert all(c.row.method == found[c.template.run_id].row.method for c in shared)
    fusions = {(c.row.method, c.template.fusion) for c in planned["extended"]}
    assert fusions == {(m, fusion) for m in config.methods for fusion in ("late", "early")}
    assert {c.template.fusion for c in planned["table1"]} == {"late"}


def test_colours_of_methods_are_distinct():
    colours = [m.colour for m in load_config().methods.values()]
    assert len(set(colours)) == len(colours)


def test_all_mistakes_of_all_files_are_named_with_the_nearest_word(edit):
    with pytest.raises(ValueError) as caught:
        edit("profiles.yaml", ("epochs: 6", "epoch: 6"), ("batch_size: 32", "batch_size: many"))
    text = str(caught.value)
    assert "profiles.yaml: demo has no key 'epoch' (did you mean 'epochs'?)" in text
    assert "profiles.yaml: demo lacks the key 'epochs'" in text
    assert "profiles.yaml: quick key 'batch_size' is 'many'; it must be a whole number" in text


SAM_RHO = '{value: 0.05, source: "as for SAM; the paper reports no rho"}'
PROFILE = "  seeds: 1\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("profiles", "lr: 0.02", "learning_rate: 0.02", r"no key 'learning_rate'.*accepts: lr"),
        ("profiles", "epochs: 6", "epochs: 6\n  epochs: 7", "epochs stands twice"),
        ("profiles", "paper:\n", "papers:\n", "lacks the profile 'paper'"),
        ("profiles", PROFILE, PROFILE + "  options: {avmnits: {}}\n", "'avmnist'"),
        ("profiles", PROFILE, PROFILE + "  options: {avmnist: 5}\n", "a mapping"),
        ("profiles", PROFILE, PROFILE + "  threads: 0\n", "'threads' is 0; .*at least 1"),
        (
            "suites",
            "method: joint_train",
            "metod: joint_train",
            "row 1 has no key 'metod'.*'method'",
        ),
        ("suites", "modalities: [audio]", "modalities: [audoi]", "'audio'"),
        ("suites", "method: mses", "method: msse", "row 'MSES': no method 'msse'.*'mses'"),
        ("suites", "label: MSES", "label: SAM", "the row 'SAM' twice"),
        ("suites", "fusion: early}", "fusion: erly}", "key 'fusion' is 'erly'"),
        ("suites", "{split: response}", "{pairing: aligned}", "may not change 'pairing'"),
        ("suites", "table2:", "../table2:", r"'../table2' cannot name a table"),
        ("suites", "table2:", "Table 2:", "'Table 2' cannot name a table"),
        ("suites", "table2:", "claims:", "'claims' cannot name a table: the report writes"),
        ("datasets", ", small: small_cnn", "", "avmnist encoders must name one for each of paper"),
        ("datasets", "label: AV-MNIST", "label: !!python/object/apply:os.getcwd []", "constructor"),
        ("methods", SAM_RHO, "0.05", "msam parameter 'rho' needs a value and its source"),
        ("methods", SAM_RHO, "{}", "msam parameter 'rho' needs a value and its source"),
        ("methods", "      value: 10\n", "", "'patience' needs a value and its source"),
        ("methods", "datasets: {cremad: 80", "datasets: {cremat: 80", "'patience': .*'cremad'"),
        ("methods", "[0.02, 0.05, 0.1, 0.2]", "[0.02, 0.05, 0.1]", "equally many values: sam 3"),
        ("methods", "[0.02, 0.05, 0.1, 0.2]", "[0.02, 0.06, 0.1, 0.2]", "lacks 0.05, the rho"),
        ("methods", "[0.02, 0.05, 0.1, 0.2]", "[0.05, 0.02, 0.1, 0.2]", "different and rising"),
        ("methods", "[0.02, 0.05, 0.1, 0.2]", "[0.05, 0.05, 0.1, 0.2]", "different and rising"),
        ("methods", "[0.02, 0.05, 0.1, 0.2]", "[]", "different and rising"),
        ("methods", "[0.02, 0.05, 0.1, 0.2]", "[0.02, 0.05, high, 0.2]", "a finite number"),
        (
            "methods",
            "values: [5, 10, 30, 80]",
            "values: [5, 10, 40, 80]",
            "lacks 30, .*uses for urfunny",
        ),
        (
            "methods",
            "grid: {parameter: rho",
            "grid: {parameter: roh",
            "sam grid: no parameter .*mean 'rho'",
        ),
        ("methods", "grid: {parameter: rho", "grid: {name: rho", "grid has no key 'name'"),
        ("methods", "follows: msam", "follows: msma", "sam_scaled follows: .*did you mean 'msam'"),
        ("methods", "follows: msam", "follows: joint_train", "no method with a grid 'joint_train'"),
        ("methods", "follows: msam", "follows: reconboost", "no parameter with a value 'w1'"),
        (
            "methods",
            "follows: msam",
            "follows: masam",
            "follows masam: rho is 0.05 for avmnist, there 0.3",
        ),
        (
            "methods",
            "  grid: {",
            "  follows: msam\n  grid: {",
            "a grid or follow a method, not both",
        ),
    ],
)
def test_a_mistake_is_named(edit, file, old, new, named):
    with pytest.raises(ValueError, match=named):
        edit(f"{file}.yaml", (old, new))


def test_mistakes_in_several_grids_are_named_together(edit):
    with pytest.raises(ValueError) as caught:
        edit(
            "methods.yaml", ("[0.1, 0.5, 1.0, 2.0]", "[0.1, 0.6]"), ("follows: msam", "follows: x")
        )
    text = str(caught.value)
    assert all(part in text for part in ("asam 2", "asam grid lacks 0.5", "sam_scaled follows"))


@pytest.mark.parametrize("text", ["- a list", "", "a: b: c", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    folder = tmp_path / "configs"
    shutil.copytree(CONFIGS, folder)
    (folder / "methods.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"methods\.yaml"):
        load_config(folder)


def test_lookup_names_the_nearest_word():
    with pytest.raises(ValueError, match=r"no dataset 'avmnits' \(did you mean 'avmnist'\?\)"):
        lookup("dataset", "avmnits", load_config().datasets)


NAMES = {"dataset": "avmnist", "fusion": "late", "method": "msam", "modalities": [], "seed": 0}


def quick(changes, **names):
    config = load_config()
    return experiment_values(config, config.profiles["quick"], {**NAMES, **names}, changes)


def test_command_line_changes_reach_the_field_they_name():
    changes = {"epochs": 7, "lr": 0.5, "pairing": "aligned", "rho": 0.2}
    experiment = Experiment.from_dict(quick(changes))
    assert experiment.epochs == 7
    assert experiment.optim.lr == 0.5
    assert experiment.data["pairing"] == "aligned"
    assert experiment.params == {"rho": 0.2}


def test_where_the_data_comes_from_cannot_be_set():
    values = quick({"stand_in": True, "fingerprint": "x"})
    assert values["data"]["stand_in"] is False
    assert values["data"]["fingerprint"] is None


def test_naming_all_modalities_in_any_order_is_naming_none():
    assert quick({}, modalities=["visual", "audio"]) == quick({})


def test_a_profile_overrides_a_datasets_options():
    config = load_config()
    profile = replace(config.profiles["paper"], options={"avmnist": {"pairing": "aligned"}})
    options = data_options(config, profile, "avmnist")
    expected = {
        "source": "rebuilt",
        "pairing": "aligned",
        "components": 4,
        "protocol": "validation",
    }
    assert options == expected


def test_seeds_count_from_zero():
    config = load_config()
    states = {name: DataState("fingerprint") for name in config.datasets}
    cells = plan_suite(config, "table1", config.profiles["paper"], states)
    assert [e.seed for e in cells[0].experiments(3)] == [0, 1, 2]


def test_experiment_problems_list_every_mistake_with_the_nearest_word(experiment):
    wrong = experiment(
        method="msam", encoder="resnet", modalities=("audi",), params={"rh": 1, "rho": -1}
    )
    text = "\n".join(experiment_problems(wrong))
    assert "no encoder 'resnet' (did you mean 'resnet18'?)" in text
    assert "no avmnist modality 'audi' (did you mean 'audio'?)" in text
    assert "no setting 'rh' (did you mean 'rho'?)" in text
    assert "parameter 'rho' is -1; it must be at least 0" in text


def test_a_dataset_may_have_its_own_constants():
    config = load_config()
    assert config.methods["mses"].values("avmnist") == {"patience": 10}
    assert config.methods["mses"].values("cremad") == {"patience": 80}
    assert config.methods["agm"].values("ave")["clip"] is None


def test_the_default_protocol_names_the_same_run_as_no_word():
    config = load_config()
    profile = config.profiles["paper"]
    names = {"dataset": "avmnist", "fusion": "late", "method": "sam", "modalities": [], "seed": 0}
    plain, default, published = (
        experiment_values(config, profile, names, changes)
        for changes in ({}, {"protocol": "validation"}, {"protocol": "published"})
    )
    assert plain == default
    assert published["data"]["protocol"] == "published"


def test_the_options_of_a_dataset_are_its_loaders_with_their_defaults():
    for name, dataset in load_config().datasets.items():
        choices = LOADERS[name].options
        assert set(choices) <= set(dataset.options)
        assert {k: dataset.options[k] for k in choices} == {k: v[0] for k, v in choices.items()}
        assert dataset.modalities == LOADERS[name].spec.modalities
