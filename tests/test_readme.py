"""The README's code does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    """The one code block of this language that contains the text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    found = [text for text in blocks if containing in text]
    assert len(found) == 1
    return found[0]


def test_the_library_example_trains_with_msam_alone():
    code = block("python", "modality_shares")
    code += "\nimport sys\nassert not {'baselines', 'benchmarks', 'datasets'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(re.search(r"^loss ([0-9.]+), contributions", done.stdout).group(1)) < 1.0


def test_the_baseline_example_registers_and_is_neutral_where_it_says_so():
    code = block("python", "ScaledLoss")
    script = code + (
        "\nimport sys; sys.path.insert(0, '.')\n"
        "import torch\nfrom baselines import build_method\nfrom msam.optim import OptimConfig\n"
        "from tests.tiny import tiny_model\n"
        "results = []\n"
        "for name, params in (('scaled_loss', {'scale': 1.0}), ('joint_train', {})):\n"
        "    model = tiny_model()\n"
        "    method = build_method(name, model, OptimConfig(), **params)\n"
        "    torch.manual_seed(0)\n"
        "    x = {'audio': torch.randn(8, 1, 6, 5).double(),"
        " 'visual': torch.randn(8, 1, 7, 7).double()}\n"
        "    method.step(x, torch.randint(3, (8,)))\n"
        "    results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))\n"
        "assert torch.equal(*results)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_verbs_of_the_readme_are_those_of_the_help_in_its_order():
    from benchmarks.cli.verbs import VERBS

    cells = re.search(r"^\| verb \| does \|\n\|---\|---\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    first = [line.split("|")[1] for line in cells[1].splitlines()]
    assert [verb for cell in first for verb in re.findall(r"`([^`]+)`", cell)] == list(VERBS)


def test_every_profile_has_a_line_in_the_readme():
    from benchmarks.configs.load import load_config

    assert all(f"--profile {name}" in README for name in load_config().profiles)


def test_the_baseline_entry_is_a_valid_config():
    from benchmarks.configs.schema import MethodConfig
    from msam.parameters import field_problems

    entry = yaml.safe_load(block("yaml", "scaled_loss"))["scaled_loss"]
    assert field_problems(MethodConfig, entry, "README") == []


@pytest.mark.parametrize("words", re.findall(r"^\./reproduce\.sh ([^#\n]+)", README, re.MULTILINE))
def test_every_command_of_the_readme_is_understood(words):
    from benchmarks.cli.verbs import parse

    if words.split()[0] != "test":
        parse(words.split())
