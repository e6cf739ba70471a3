"""The command line: `./reproduce.sh VERB [options]`."""

from __future__ import annotations

import sys
from argparse import Namespace
from importlib import import_module

from benchmarks.cli.verbs import parse, usage

TABLES = ("table1", "table2", "controls", "noise")  # the verbs that are suites
# The module behind each verb.
MODULES = {
    **dict.fromkeys((*TABLES, "all", "run"), "cli.train"),
    **dict.fromkeys(("report", "compare", "figures", "status"), "cli.report"),
    **dict.fromkeys(("list", "new-method", "check-method"), "cli.methods"),
    **dict.fromkeys(("data", "doctor", "forensics", "merge", "sharpness", "tune"), ""),
    "bench": "bench.parts",
}


def main(words: list[str]) -> int:
    """Exit status: 0, 2 for bad input with one line that says what is wrong, 130 if interrupted."""
    sys.stdout.reconfigure(errors="replace")  # a table has characters that ASCII lacks
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    try:
        return dispatch(parse(words))
    except BrokenPipeError:  # whoever read our lines has seen enough
        sys.stdout = None
        return 0
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last finished epoch", file=sys.stderr)
        return 130


def dispatch(arguments: Namespace) -> int:
    """Calls the verb. Each imports only what it needs: `--help` and `list` must start at once."""
    verb = arguments.verb
    module = import_module(f"benchmarks.{MODULES[verb] or f'cli.{verb}'}")
    function = {**dict.fromkeys(TABLES, "table"), "list": "listing", "all": "everything"}
    name = function.get(arguments.verb, arguments.verb.replace("-", "_"))
    return getattr(module, name)(arguments, say)


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
