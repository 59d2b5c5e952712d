"""The kit's flags, served by a real service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from servekit import Service
from tck import flags_file


@pytest.fixture(scope="module")
def kit_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("kit")
    (folder / "flags.yaml").write_text(flags_file())
    service = Service(folder, workers=1)
    try:
        yield service.start()
    finally:
        service.clean_up()


@pytest.fixture(scope="module")
def client(kit_service: Service) -> Iterator[OpenFeatureClient]:
    provider = OFREPProvider(f"http://{kit_service.address}", timeout=20)
    api.set_provider(provider, domain="kit")
    yield api.get_client(domain="kit")
    api.clear_providers()
    provider.session.close()
