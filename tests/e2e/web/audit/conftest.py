"""One auditor for all pages."""

import pytest

from tests.cloud import Cloud
from tests.e2e.web.audit.axe import Auditor


@pytest.fixture(scope="package")
def auditor(cloud: Cloud) -> Auditor:
    return Auditor()
