"""The dashboard from any folder: `limoe-lens`, or `python -m limoe_lens` in a checkout."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from limoe_lens import HOME

#: What systems write for users who have none.
_NO_HOME = "/nonexistent"
_USAGE = "limoe-lens [--runs DIR] [Streamlit options]"
_EXAMPLES = """\
Streamlit options are passed on, such as
  --server.port 8502        another port than 8501
  --server.headless true    do not open a browser
`streamlit run --help` lists them all.

examples:
  limoe-lens                             the models that ship with the project
  limoe-lens --runs my-runs              every run in the folder my-runs, also while it grows
  limoe-lens --runs my-runs --server.port 8502
"""


def main(arguments: list[str] | None = None) -> None:
    """The command line; returns when the server is stopped."""
    parser = argparse.ArgumentParser(
        prog="limoe-lens",
        usage=_USAGE,
        description="Open the dashboard in a browser. It listens on localhost only and sends no "
        "usage statistics.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="folder that holds run directories (default: the runs that ship)",
    )
    given = sys.argv[1:] if arguments is None else arguments
    # As in `streamlit run app -- --runs DIR`, which some will have in their fingers.
    options, streamlit = parser.parse_known_args([word for word in given if word != "--"])
    if streamlit and not streamlit[0].startswith("-"):
        parser.error(f"unexpected {streamlit[0]!r}; a folder of runs is named with --runs")
    runs = [] if options.runs is None else ["--runs", str(options.runs.expanduser().absolute())]

    _be_at_home()
    from streamlit.web import cli  # here: it takes a second, which --help need not wait for

    script = HOME / "app" / "streamlit_app.py"
    cli.main(["run", str(script), *streamlit, "--", *runs], prog_name="limoe-lens")


def _be_at_home() -> None:
    """Name a home for a user who has none, as in many containers: one that is not there.

    Streamlit looks for settings in it, and does not start without a name to look at.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = _NO_HOME


if __name__ == "__main__":
    main()
