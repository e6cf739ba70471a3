"""The command line as a person meets it: clear errors, exact resume after SIGKILL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli.execute import _time
from benchmarks.cli.session import open_session
from benchmarks.cli.verbs import parse
from benchmarks.configs.load import load_config
from benchmarks.plan import costs, workspace
from benchmarks.plan.costs import Estimate
from benchmarks.plan.suites import DataState
from benchmarks.report.tables.paper import FOLDER
from benchmarks.report.write import Request, write_report
from tests.benchmarks.cli.calls import fails
from tests.benchmarks.report.builders import READY, cell_of, plan, record

ROOT = Path(__file__).parents[3]
TINY = ["--set", "epochs=3", "--set", "train_samples=192"]
RUN = ["run", "--dataset", "avmnist", "--method", "msam", "--profile", "demo", *TINY]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("rho=-0.1", "at least 0"),
        ("rho=big", "a finite number"),
        ("roh=0.1", "'rho'"),
        ("split=respons", "'response'"),
        ("epoch=3", "'epochs'"),
        ("epochs=two", "a whole number"),
        ("lr=-1", "at least 0"),
        ("pairing=aligne", "aligned"),
        ("components=9", "components"),
        ("encoder=resnet", "'resnet18'"),
        ("train_samples=10", "batch"),
        ("batch_size=1", "at least 2"),
    ],
)
def test_a_wrong_setting_is_named_before_training(capsys, tmp_path, change, named):
    words = [*RUN, "--out", str(tmp_path / "out"), "--set", change]
    assert named in fails(capsys, *words)
    assert not list(tmp_path.rglob("*.json")), "nothing half-written may stay behind"


def test_an_unknown_dataset_is_one_mistake(capsys):
    error = fails(capsys, "run", "--dataset", "avmnits", "--method", "msam", "--profile", "demo")
    assert error.count("\n") == 1 and "'avmnist'" in error and "encoder" not in error


def test_all_wrong_settings_are_listed_at_once(capsys, tmp_path):
    wrong = ["--set", "roh=1", "--set", "value=probb", "--set", "scope=some"]
    error = fails(capsys, *RUN, *wrong, "--out", str(tmp_path))
    assert "'rho'" in error and "'prob'" in error and "scope" in error


def test_mistakes_of_every_kind_are_listed_together(capsys, tmp_path):
    words = ["run", "--dataset", "avmnits", "--method", "msma", "--fusion", "lat"]
    wrong = ["--profile", "demo", "--set", "epochs=two", "--out", str(tmp_path)]
    error = fails(capsys, *words, *wrong)
    assert all(part in error for part in ("'avmnist'", "'msam'", "'late'", "epochs"))
    words = ["table1", "--profile", "demo", "--datasets", "avmnits", "--methods", "msma"]
    error = fails(capsys, *words, "--seeds", "0")
    assert all(part in error for part in ("'avmnist'", "'msam'", "at least 1"))


def test_real_data_that_is_not_prepared_says_what_to_type(capsys):
    words = ["run", "--dataset", "avmnist", "--method", "msam", "--profile", "quick"]
    assert "./reproduce.sh data prepare avmnist" in fails(capsys, *words)


def test_an_output_folder_that_cannot_be_written_is_refused_before_training(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    error = fails(capsys, *RUN, "--out", str(tmp_path / "file"))
    assert str(tmp_path / "file") in error


def test_a_missing_gpu_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    error = fails(capsys, *RUN, "--out", str(tmp_path), "--device", "cuda")
    assert "torch sees 0 CUDA devices" in error


def test_a_run_reports_every_accuracy_and_is_not_run_twice(capsys, tmp_path):
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert "stand-in data" in first
    assert all(word in first for word in ("mm ", "audio ", "visual "))
    record = next(tmp_path.glob("runs/*.json"))
    before = record.read_bytes()
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    assert "done before" in capsys.readouterr().out
    assert record.read_bytes() == before


def test_a_run_killed_in_the_middle_and_started_again_gives_the_same_record(tmp_path, data_dir):
    words = [sys.executable, "-m", "benchmarks", *RUN, "--set", "epochs=6"]
    environment = os.environ | {"MSAM_DATA_DIR": str(data_dir)}

    def call(out):
        return [*words, "--out", str(tmp_path / out)]

    killed = subprocess.Popen(call("killed"), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    while killed.poll() is None and not list(tmp_path.glob("killed/checkpoints/*.pt")):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not list(tmp_path.glob("killed/runs/*.json"))
    for out in ("killed", "alone"):
        subprocess.run(call(out), cwd=ROOT, env=environment, check=True, capture_output=True)
    files = [next(tmp_path.glob(f"{out}/runs/*.json")) for out in ("killed", "alone")]
    records = [json.loads(file.read_text()) for file in files]
    for each in records:
        del each["timing"], each["sha256"]
    assert records[0] == records[1]


def test_a_failed_run_is_an_exit_status_of_one(capsys, tmp_path, monkeypatch):
    def broken(self, inputs, labels):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("msam.msam.MSAM.step", broken)
    assert main([*RUN, "--out", str(tmp_path)]) == 1
    assert "failed: RuntimeError: out of luck" in capsys.readouterr().out
    words = ["table1", "--profile", "demo", "--datasets", "avmnist", "--methods", "msam"]
    words += ["--seeds", "1", "--jobs", "1"]  # other processes would know nothing of the change
    assert main([*words, "--out", str(tmp_path)]) == 1


def test_an_interruption_says_how_to_go_on(capsys, monkeypatch):
    def interrupted(arguments, say):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.cli.listing.listing", interrupted)
    assert main(["list"]) == 130
    assert "the same command" in capsys.readouterr().err


@pytest.mark.parametrize("profile", load_config().profiles)
def test_the_papers_own_tables_are_never_overwritten(profile):
    arguments = parse(["report", "--profile", profile])
    ours = open_session(arguments, print).folders.root.resolve()
    assert ours not in (FOLDER.resolve(), *FOLDER.resolve().parents)
    with pytest.raises(ValueError, match="as printed"):
        write_report(Request(load_config(), profile, {}, []), FOLDER)


@pytest.mark.parametrize(
    ("cuda", "prepared", "profile"),
    [(True, True, "paper"), (True, False, "demo"), (False, True, "demo"), (False, False, "demo")],
)
def test_the_paper_profile_is_the_default_only_with_a_gpu_and_real_data(
    monkeypatch, cuda, prepared, profile
):
    state = DataState("fingerprint" if prepared else None)
    monkeypatch.setattr(workspace, "has_cuda", lambda: cuda)
    states = {"avmnist": DataState(), "cremad": state}
    monkeypatch.setattr(workspace, "data_states", lambda config, profile: states)
    for asked in ((), ("cremad",), ("cremad", "ave")):
        name, why = workspace.default_profile(load_config(), asked)
        assert name == profile
        first = next(iter(asked), "avmnist")
        assert (f"data prepare {first}`" in why) == (not prepared)
    name, why = workspace.default_profile(load_config(), ["avmnist"])
    assert name == "demo" and "data prepare avmnist`" in why


@pytest.mark.parametrize(
    ("seconds", "price"), [(3600.0, "takes about 95 h"), (None, "days or weeks on a CPU")]
)
def test_without_a_gpu_the_profile_for_a_cpu_and_the_price_of_paper_are_named(
    monkeypatch, seconds, price
):
    states = {name: DataState(reason="data missing") for name in load_config().datasets}
    states["avmnist"] = DataState("fingerprint")
    monkeypatch.setattr(workspace, "has_cuda", lambda: False)
    monkeypatch.setattr(workspace, "data_states", lambda config, profile: states)
    monkeypatch.setattr(
        costs, "estimates", lambda runs, figures: [Estimate(seconds, source="a CPU") for _ in runs]
    )
    said = []
    open_session(parse(["table1"]), said.append)
    told = " ".join(said[0].split())  # long lines wrap
    assert "`--profile pilot`" in told and price in told


def test_nothing_takes_no_time():
    assert (_time(0.01), _time(59), _time(450), _time(7200)) == ("1 s", "59 s", "7.5 min", "2.00 h")


def test_status_counts_runs_and_says_why_others_cannot_run(capsys, data_dir, tmp_path, monkeypatch):
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "avmnist").symlink_to(data_dir / "stand-in" / "avmnist")
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path))
    assert main(["status", "--profile", "demo", "--out", str(tmp_path / "results")]) == 0
    out = capsys.readouterr().out
    assert cells_of(out, "table1") == {"missing": "36", "cells without data": "37"}
    assert "stand-in data not generated yet (CREMA-D, UR-Funny, AVE)" in " ".join(out.split())
    assert all(cells_of(out, suite) for suite in load_config().suites)


def cells_of(out, suite):
    """{heading: number} of a table in what `status` prints."""
    lines = out.splitlines()
    head = next(line for line in lines if line.startswith("table "))
    (row,) = [line for line in lines if line.split(" ")[0] == suite]
    headings = re.split("  +", head)[1:]
    return dict(zip(headings, row.split()[1:], strict=True))


def test_status_counts_published_records_without_their_data(capsys, tmp_path, monkeypatch):
    """As in a fresh clone: nothing can run, but something is known."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "empty"))
    run = record(cell_of(plan(avmnist=READY), "M-SAM"), 0, 71.23)
    run.save(tmp_path / "runs" / f"{run.run_id}.json")
    assert main(["status", "--profile", "paper", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert cells_of(out, "table1")["recorded"] == "1" and cells_of(out, "table2")["recorded"] == "0"
    assert "data sources avmnist" in out and "compare --profile pilot" in out


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        (["--protocol", "validation"], ["--protocol", "published"]),
        (["--threads", "1"], ["--threads", "2"]),
    ],
)
def test_another_protocol_or_number_of_threads_gives_other_runs(capsys, tmp_path, usual, other):
    plan = ["table1", "--profile", "demo", "--datasets", "avmnist", "--dry-run", "--out"]
    listed = []
    for words in ([], usual, other):
        assert main([*plan, str(tmp_path), *words]) == 0
        out = capsys.readouterr().out.splitlines()
        listed.append({line.split()[0] for line in out if line.startswith("  avmnist")})
    assert listed[0] == listed[1]
    assert len(listed[0]) == len(listed[2])
    assert not listed[0] & listed[2]


def test_a_dry_run_lists_the_plan_and_trains_nothing(capsys, tmp_path):
    words = ["table1", "--profile", "demo", "--methods", "msam", "--seeds", "2"]
    assert main([*words, "--dry-run", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("avmnist-late-msam") == 2
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("verb", ["report", "compare"])
def test_a_damaged_record_is_named_and_left_out(capsys, tmp_path, verb):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "bad.json").write_text("{")
    main([verb, "--profile", "demo", "--out", str(tmp_path)])
    shown = capsys.readouterr()
    assert "bad" in shown.out and "not a readable record" in shown.out
    assert not shown.err


def test_status_names_a_run_that_its_method_cannot_do_and_says_why(capsys, tmp_path, monkeypatch):
    why = classmethod(lambda cls, modalities, fusion, **params: "needs three modalities")
    monkeypatch.setattr("msam.msam.MSAM.unsupported", why)
    words = ["table1", "--profile", "demo", "--datasets", "avmnist", "--methods", "msam"]
    main([*words, "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)])
    capsys.readouterr()
    assert main(["status", "--profile", "demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert cells_of(out, "table1")["unsupported"] == "1"
    (named,) = [line for line in out.splitlines() if line.startswith("avmnist-late-msam-s0-")]
    assert "needs three modalities" in " ".join(out[out.index(named) :].split())


def test_a_damaged_record_of_a_planned_run_is_counted(capsys, tmp_path):
    words = ["table1", "--profile", "demo", "--methods", "msam", "--seeds", "1", "--dry-run"]
    main([*words, "--out", str(tmp_path)])
    run_id = next(w for w in capsys.readouterr().out.split() if w.startswith("avmnist-late-msam"))
    (tmp_path / "runs").mkdir(exist_ok=True)
    (tmp_path / "runs" / f"{run_id}.json").write_text("[]")
    assert main(["status", "--profile", "demo", "--out", str(tmp_path)]) == 0
    assert cells_of(capsys.readouterr().out, "table1")["damaged"] == "1"
