"""A pytest plugin: tests connect only to servers of their own, and a test fails when anything tried another address.

Every process of a parallel run has a network of its own. The servers that the environment names belong to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from scripts import network_guard
from scripts.network_guard import Network
from scripts.services import new_folder

SERVERS = (
    "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "TEST_DATABASE_URL", "TEST_REDIS_URL", "TEST_AMQP_URL",
)  # fmt: skip
NETWORK = pytest.StashKey[Network]()


def pytest_configure(config: pytest.Config) -> None:
    # For the programs that tests start; the settings of this process stand already.
    os.environ["OUTGOING_ALLOWED_NETWORKS"] = network_guard.OWN_MACHINE
    servers = network_guard.servers_of(os.environ.get(name, "") for name in SERVERS)
    config.stash[NETWORK] = network_guard.confine(new_folder("network"), servers)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[NETWORK].folder, ignore_errors=True)


@pytest.fixture(scope="session")
def network(pytestconfig: pytest.Config) -> Network:
    return pytestconfig.stash[NETWORK]


@pytest.fixture(scope="session", autouse=True)
def no_foreign_address_at_the_end(network: Network) -> Iterator[None]:
    yield
    fail_if_refused(network)


@pytest.fixture(autouse=True)
def no_foreign_address(network: Network) -> Iterator[None]:
    yield
    fail_if_refused(network)


def fail_if_refused(network: Network) -> None:
    """A program may have swallowed the refusal; the test has to be mended all the same."""
    if refused := network.take_refused():
        pytest.fail("\n".join(refused), pytrace=False)
