"""Says in words what is in a trace file, and what is wrong with it.

python -m limoe_core.trace FILE …
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from limoe_core.trace.parts import TraceError
from limoe_core.trace.routing import RoutingTrace


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a paragraph a file; 0 if all of them are whole traces, 1 if one is not, 2 for none."""
    files = list(sys.argv[1:] if arguments is None else arguments)
    if not files or files[0] in ("-h", "--help"):
        print("usage: python -m limoe_core.trace FILE …\n\n" + __doc__.strip().splitlines()[0])
        return 0 if files else 2
    wrong = 0
    for name in files:
        try:
            trace = RoutingTrace.load(Path(name))
        except TraceError as error:
            wrong += 1
            print(error)
        else:
            print(f"{name}: a whole trace\n  {trace!r}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
