"""reproduce.sh: respects VENV, notices changed requirements, hands its words on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


# Notes its arguments; says what a command line needs as Python would.
NOTING = """#!/bin/sh
case "$*" in
*"import requirements"*) echo "${NEEDED:-read}" ;;
*) echo "$@" >> calls.txt ;;
esac
"""
TORCH = "torch==2.11.0\ntorchvision==0.26.0\ntorchaudio==2.11.0\n"


def write_script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the script with a virtual environment whose python only notes its arguments."""
    shutil.copy(ROOT / "reproduce.sh", tmp_path)
    (tmp_path / "requirements-read.txt").write_text("numpy\n")
    (tmp_path / "requirements.txt").write_text(f"-r requirements-read.txt\n{TORCH}")
    write_script(tmp_path / "my venv" / "bin" / "python", NOTING)
    without_uv = [p for p in os.environ["PATH"].split(":") if not Path(p, "uv").exists()]
    monkeypatch.setenv("PATH", ":".join(without_uv))
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    return tmp_path


def call(checkout, *words, **environment):
    """What the environment's python was called with."""
    (checkout / "calls.txt").unlink(missing_ok=True)
    environment = os.environ | {"VENV": "my venv", "PYTHON": sys.executable} | environment
    subprocess.run(["bash", "reproduce.sh", *words], cwd=checkout, env=environment, check=True)
    return (checkout / "calls.txt").read_text().splitlines()


def installs(calls):
    """The words after `pip install` and its settings of every installation."""
    pip = "-m pip install --quiet --disable-pip-version-check "
    return [line.removeprefix(pip) for line in calls if line.startswith(pip)]


def test_a_reading_verb_installs_the_short_list_once_and_again_when_it_changes(checkout):
    (made,) = installs(call(checkout, "list"))
    assert made == f"--no-compile -r {checkout}/requirements-read.txt"
    assert call(checkout, "list") == ["-P -m benchmarks list"]
    (checkout / "requirements.txt").write_text("numpy\nscipy\n")
    assert call(checkout, "list") == ["-P -m benchmarks list"]
    (checkout / "requirements-read.txt").write_text("numpy\nscipy\n")
    assert len(installs(call(checkout, "list"))) == 1


def test_a_training_verb_installs_the_rest_into_the_same_environment(checkout):
    assert len(installs(call(checkout, "list"))) == 1
    (made,) = installs(call(checkout, "run", NEEDED="all"))
    assert made == f"-r {checkout}/requirements.txt"
    assert call(checkout, "run", NEEDED="all") == ["-P -m benchmarks run"]
    assert call(checkout, "list") == ["-P -m benchmarks list"]
    for name in ("requirements.txt", "requirements-read.txt"):
        with (checkout / name).open("a") as file:
            file.write("scipy\n")
        assert f"-r {checkout}/requirements.txt" in installs(call(checkout, "run", NEEDED="all"))


def test_the_tests_need_everything(checkout):
    (made,) = installs(call(checkout, "test"))
    assert made == f"-r {checkout}/requirements.txt"


def test_a_build_of_torch_from_another_index_comes_first_and_alone(checkout):
    made = installs(call(checkout, "test", TORCH_INDEX_URL="https://example.org/cpu"))
    torch = "--no-deps --index-url https://example.org/cpu " + TORCH.strip().replace("\n", " ")
    assert made == [torch, f"-r {checkout}/requirements.txt"]


@pytest.mark.parametrize("status", [0, 1])
def test_uv_installs_where_it_is_there_and_pip_where_it_fails(checkout, status):
    write_script(checkout / "bin" / "uv", f'#!/bin/sh\necho "uv $@" >> calls.txt\nexit {status}\n')
    calls = call(checkout, "list", PATH=f"{checkout / 'bin'}:{os.environ['PATH']}")
    python = checkout / "my venv" / "bin" / "python"
    assert calls[0].startswith(f"uv pip install --quiet --python {python} ")
    assert calls[0].endswith(f"-r {checkout}/requirements-read.txt")
    assert len(installs(calls)) == status


def test_of_two_processes_at_once_one_installs_and_the_other_waits(checkout):
    slow = NOTING.replace('*) echo "$@"', '*) sleep 1; echo "$@"')
    write_script(checkout / "my venv" / "bin" / "python", slow)
    environment = os.environ | {"VENV": "my venv", "PYTHON": sys.executable}
    words = ["bash", "reproduce.sh", "list"]
    both = [
        subprocess.Popen(words, cwd=checkout, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = "".join(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "waiting for another process" in told
    calls = (checkout / "calls.txt").read_text().splitlines()
    assert len(installs(calls)) == 1
    assert calls.count("-P -m benchmarks list") == 2


def test_an_environment_whose_first_installation_was_interrupted_is_made_again(checkout):
    write_script(checkout / ".venv" / "bin" / "python", NOTING)
    making = (
        f'#!/bin/sh\ncase "$*" in *venv*) {sys.executable} -c 0; echo "$@" >> calls.txt ;; esac\n'
    )
    write_script(checkout / "python", making)
    calls = call(checkout, "list", VENV="", PYTHON=str(checkout / "python"))
    assert f"-m venv {checkout}/.venv" in calls
    assert len(installs(calls)) == 1
    (checkout / "requirements-read.txt").write_text("scipy\n")
    calls = call(checkout, "list", VENV="", PYTHON=str(checkout / "python"))
    assert len(installs(calls)) == 1 and f"-m venv {checkout}/.venv" not in calls


@pytest.mark.parametrize(
    "words",
    [[], ["--help"], ["-h"], ["help", "run"], ["--version"], ["run", "--seed", "1", "--help"]],
)
def test_help_installs_nothing(checkout, words):
    write_script(checkout / "python", NOTING)
    calls = call(checkout, *words, VENV="", PYTHON=str(checkout / "python"))
    assert calls[-1] == " ".join(["-P -m benchmarks", *words])
    assert not installs(calls) and not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    "words", [["--help"], ["help", "run"], ["table1", "--help"], ["--version"]]
)
def test_help_needs_the_standard_library_alone(checkout, words):
    for package in ("benchmarks", "msam"):
        (checkout / package).symlink_to(ROOT / package)
    write_script(checkout / "python", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    command = ["bash", str(checkout / "reproduce.sh"), *words]
    done = started(command, PYTHON=str(checkout / "python"), VENV="")
    assert done.returncode == 0 and done.stdout, done.stderr
    assert not (checkout / ".venv").exists()


def test_an_old_python_is_refused_with_the_version_that_is_needed(checkout):
    write_script(checkout / "python", "#!/bin/sh\nexit 1\n")
    environment = os.environ | {"PYTHON": str(checkout / "python")}
    for words in ([], ["list"]):
        command = ["bash", "reproduce.sh", *words]
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True)
        assert done.returncode == 2 and b"3.11" in done.stderr
        assert not (checkout / ".venv").exists()


def test_paths_are_those_of_the_caller(checkout):
    elsewhere = checkout / "elsewhere"
    elsewhere.mkdir()
    environment = os.environ | {"VENV": str(checkout / "my venv"), "PYTHON": sys.executable}
    words = ["bash", "../reproduce.sh", "run", "--out", "here"]
    subprocess.run(words, cwd=elsewhere, env=environment, check=True)
    assert "-P -m benchmarks run --out here" in (elsewhere / "calls.txt").read_text()


def test_a_mistyped_virtual_environment_is_refused(checkout):
    environment = os.environ | {"VENV": "not there"}
    words = ["bash", "reproduce.sh", "list"]
    done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "VENV is not there" in done.stderr
    assert not (checkout / "not there").exists()


def test_a_failed_install_is_tried_again(checkout):
    python = checkout / "my venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        call(checkout, "list")
    python.write_text(NOTING)
    assert len(installs(call(checkout, "list"))) == 1


def test_the_verb_test_runs_pytest_and_others_the_command_line(checkout):
    call(checkout, "test")
    assert call(checkout, "test", "-q") == ["-m pytest --numprocesses auto -q"]
    assert call(checkout) == ["-P -m benchmarks"]
    assert call(checkout, "run", "--seed", "1") == ["-P -m benchmarks run --seed 1"]


def test_packages_in_the_callers_folder_do_not_replace_ours(tmp_path):
    """`reproduce.sh` starts Python with -P, and so do the processes that it starts."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    (tmp_path / "yaml.py").write_text("")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-P", "-m", "benchmarks", "list"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    starts = re.compile(r'sys\.executable, "-m", "benchmarks|quote\(sys\.executable\)\}(?! -P)')
    for path in (ROOT / "benchmarks").rglob("*.py"):
        assert not starts.search(path.read_text(encoding="utf-8")), path


def started(command, **environment):
    """What an entry of the script prints; it must succeed and name no other folder."""
    words = {"PYTHON": sys.executable, **environment}
    kept = {name: value for name, value in os.environ.items() if name != "CDPATH"}
    return subprocess.run(
        command, env=kept | words, capture_output=True, text=True, cwd=environment.get("PWD", "/")
    )


def test_cdpath_changes_no_folder(checkout):
    """cd prints the folder that it found through CDPATH."""
    parent, name = checkout.parent, checkout.name
    inside = ["bash", "-c", f"cd '{parent}' && CDPATH='{parent}' bash '{name}/reproduce.sh' list"]
    done = started(inside, VENV=str(checkout / "my venv"))
    assert done.returncode == 0, done.stderr
    relative = f"cd '{checkout}' && CDPATH='{checkout}' bash reproduce.sh list"
    done = started(["bash", "-c", relative], VENV="my venv")
    assert done.returncode == 0 and not done.stdout, done.stderr
    assert sorted(p.name for p in checkout.iterdir() if p.is_dir()) == ["my venv"]


@pytest.mark.parametrize("links", [1, 3])
def test_a_link_to_the_script_finds_the_checkout(checkout, tmp_path_factory, links):
    folder = tmp_path_factory.mktemp("bin")
    target = checkout / "reproduce.sh"
    for number in range(links):
        link = folder / f"msam{number}"
        link.symlink_to(target)
        target = link.name  # a relative one, from the second on
    done = started(["bash", str(link), "list"], VENV=str(checkout / "my venv"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["sh", "dash", "bash --posix"])
def test_other_shells_hand_over_to_bash(checkout, shell):
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"no {shell}")
    script = str(checkout / "reproduce.sh")
    done = started([*shell.split(), script, "list"], VENV=str(checkout / "my venv"))
    assert done.returncode == 0, done.stderr


def test_a_colon_in_the_path_is_one_clear_line(checkout):
    other = checkout / "run 12:30"
    other.mkdir()
    for name in ("reproduce.sh", "requirements.txt"):
        shutil.copy(checkout / name, other)
    done = started(["bash", str(other / "reproduce.sh"), "list"], VENV=str(checkout / "my venv"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "colon" in done.stderr and "12:30" in done.stderr


def test_a_tilde_in_the_name_of_the_environment_is_the_home_folder(checkout):
    script = str(checkout / "reproduce.sh")
    done = started(["bash", script, "list"], VENV="~/my venv", HOME=str(checkout))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["PYTHONHOME", "PIP_USER", "PIP_TARGET", "UV_TARGET"])
def test_settings_that_would_replace_the_environment_are_dropped(checkout, name):
    python = checkout / "my venv" / "bin" / "python"
    noted = f'echo "${{{name}:-unset}} ${{PYTHONUTF8}}"'
    python.write_text(NOTING.replace('echo "$@" >> calls.txt', noted))
    done = started(
        ["bash", str(checkout / "reproduce.sh"), "list"],
        VENV=str(checkout / "my venv"),
        **{name: "/elsewhere"},
    )
    assert set(done.stdout.split("\n")[:-1]) <= {"unset ", "unset 1"}, done.stdout


def test_a_clone_made_by_git_for_windows_has_no_carriage_returns(tmp_path):
    """`core.autocrlf=true` is its default; .gitattributes overrules it."""
    git = ["git", "-c", "core.autocrlf=true", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    names = (
        "reproduce.sh",
        "requirements.txt",
        "requirements-read.txt",
        ".gitattributes",
        "README.md",
    )
    for name in names:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "figure.png").write_bytes(b"\x89PNG\r\n\x1a\n\r\n")
    subprocess.run([*git, "add", "."], check=True)
    for path in tmp_path.glob("[a-zR]*"):
        path.unlink()
    subprocess.run([*git, "checkout", "-q", "."], check=True)
    for name in names:
        assert b"\r" not in (tmp_path / name).read_bytes(), name
    assert (tmp_path / "figure.png").read_bytes() == b"\x89PNG\r\n\x1a\n\r\n"
