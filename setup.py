"""Packages of the wheel, whose layout is not that of the checkout; the rest is in pyproject.toml.

`analysis`, `app` and the runs that ship go to `limoe_lens/lib`, side by side as they are here, so
that nothing called `analysis` or `app` lies at the top of site-packages: see `limoe_lens`.
"""

from setuptools import find_packages, setup

LIB = "limoe_lens.lib"

setup(
    packages=[
        *find_packages(include=["limoe_core*", "limoe_lens*"]),
        *(f"{LIB}.{package}" for package in find_packages(include=["analysis*", "app*"])),
        f"{LIB}.checkpoints",
    ],
    package_dir={f"{LIB}.{folder}": folder for folder in ("analysis", "app", "checkpoints")},
)
