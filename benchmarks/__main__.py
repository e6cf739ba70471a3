"""The command line: `./reproduce.sh VERB [options]`."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.cli.verbs import parse, usage, version
from benchmarks.host import Ended, ending_cleanly, set_up_environment


def main(words: list[str]) -> int:
    """Exit status: 0, 2 for bad input with one line that says what is wrong, 130 if interrupted,
    143 if the system ended it."""
    # A table has characters that ASCII lacks.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    set_up_environment()
    try:
        if not words or words[0] in ("-h", "--help"):
            say(usage())
            return 0
        if words[0] == "--version":
            say(version())
            return 0
        arguments = parse(words)
        # Each verb imports only what it needs: `list` and `status` must start at once.
        module, _, function = arguments.function.partition(":")
        with ending_cleanly():
            return getattr(import_module(module), function)(arguments, say)
    except BrokenPipeError:  # the reader of our lines has closed the pipe
        sys.stdout = None
        return 0
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Ended as error:
        print(f"ended by {error}; the same command goes on from what is finished", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last finished epoch", file=sys.stderr)
        return 130


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
