"""A report from any folder: `limoe-report`, or `python -m analysis.report` in a checkout."""

from __future__ import annotations

import importlib
import sys

from limoe_lens import analysis


def main() -> int:
    """The command line. Returns the exit code."""
    return int(importlib.import_module(f"{analysis.__name__}.report").main())


if __name__ == "__main__":
    sys.exit(main())
