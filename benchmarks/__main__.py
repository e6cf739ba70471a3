"""The command line: `./reproduce.sh VERB [options]`."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.cli.verbs import parse, usage, version
from benchmarks.exit_status import Exit
from benchmarks.host import Ended, ending_cleanly, set_up_environment


def main(words: list[str]) -> Exit:
    """What the verb ends with; bad input, an interrupt and an end by the system are one line."""
    # A table has characters that ASCII lacks.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    set_up_environment()
    try:
        if not words or words[0] in ("-h", "--help"):
            say(usage())
            return Exit.FINE
        if words[0] == "--version":
            say(version())
            return Exit.FINE
        arguments = parse(words)
        # Each verb imports only what it needs: `list` and `status` must start at once.
        module, _, function = arguments.function.partition(":")
        with ending_cleanly():
            return getattr(import_module(module), function)(arguments, say)
    except BrokenPipeError:  # the reader of our lines has closed the pipe
        sys.stdout = None
        return Exit.FINE
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return Exit.BAD_INPUT
    except Ended as error:
        print(f"ended by {error}; the same command goes on from what is finished", file=sys.stderr)
        return Exit.ENDED
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last finished epoch", file=sys.stderr)
        return Exit.INTERRUPTED


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
