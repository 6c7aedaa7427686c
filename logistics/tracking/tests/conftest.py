from __future__ import annotations

import pytest
from pytest_httpserver import HTTPServer

from logistics.tracking.tests.fake_kuaidi100 import FakeKuaidi100


@pytest.fixture
def carrier(httpserver: HTTPServer) -> FakeKuaidi100:
    return FakeKuaidi100(httpserver)
