"""Every store works on while each table gets more columns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.altered import ALTERED
from tests.contract.test_pooled import PLACES

HERE = Path(__file__).parent


@pytest.mark.parametrize("place", [one for one in PLACES if one != "test_personal_data.py"])
def test_g1_g9_every_contract_of_a_store_holds(place: str) -> None:
    chosen = ["-k", "not mongo and not fake", str(HERE / place)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        env={**os.environ, ALTERED: "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-5000:]
