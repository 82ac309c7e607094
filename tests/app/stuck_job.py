"""A dashboard of one page, whose job computes for ever; a part of the tests of the server.

In compiled code, which nothing ends, or with `?reports` so that it can be ended.
"""

from __future__ import annotations

import hashlib
import time

import streamlit as st

from app.server import jobs, site
from app.server.board import Cancelled


def in_compiled_code(progress: jobs.Progress) -> None:
    print("the job runs", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def with_reports(progress: jobs.Progress) -> None:
    print("the job runs", flush=True)
    try:
        while True:
            progress(1, 2)
            time.sleep(0.05)
    except Cancelled:
        print("the job ended", flush=True)
        raise


if __name__ == "__main__":
    if "reports" in st.query_params:
        jobs.result("reports", with_reports, "Computing with reports")
    else:
        jobs.result("compiled", in_compiled_code, "Computing in compiled code")
else:
    app = st.App(__file__, middleware=site.MIDDLEWARE, lifespan=site.lifespan)
