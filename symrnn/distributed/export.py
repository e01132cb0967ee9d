"""A checkpoint of many processes as one file: `python -m symrnn.distributed.export model.shards FILE`."""

import sys
from pathlib import Path

from symrnn.distributed.session import export_text
from symrnn.errors import SymrnnError


def main(arguments: list[str]) -> int:
    """Write the newest whole checkpoint of a folder to a file; the exit code."""
    if len(arguments) != 2:
        sys.stderr.write(f"{str(__doc__).strip()}\n")
        return 2
    try:
        found = export_text(*map(Path, arguments))
    except SymrnnError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{found} as {arguments[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
