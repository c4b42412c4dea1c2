"""stripe-mock, Stripe's own server, which holds every request against its OpenAPI schema."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.stripe_double.process import running

MODULE = "github.com/stripe/stripe-mock@v0.203.0"
BUILD_TIMEOUT_S = 540


def running_stripe_mock(directory: Path) -> AbstractContextManager[str]:
    """Builds it, which Go's own cache makes quick from the second time on, and runs it; gives its URL.

    Skips the test where there is no Go, or its modules cannot be had.
    """
    go = shutil.which("go")
    if go is None:
        pytest.skip("stripe-mock needs Go on PATH")
    try:
        built = subprocess.run(
            [go, "install", MODULE],
            env={**os.environ, "GOBIN": str(directory)},
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"stripe-mock cannot be built here in {BUILD_TIMEOUT_S} s")
    if built.returncode != 0:
        pytest.skip(f"stripe-mock cannot be built here: {built.stderr[-500:]}")
    port = free_port()
    return running([str(directory / "stripe-mock"), "-http-addr", f"127.0.0.1:{port}"], port)
