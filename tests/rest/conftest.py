import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import pytest
from shop_front import Front, open_front


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory):
    """A town of two stores, closed and compared, behind a gateway on a socket."""
    with open_front(tmp_path_factory.mktemp("front")) as found:
        yield found


@pytest.fixture
def owner(front: Front):
    """A browser of somebody with every role."""
    with front.browser("owner") as client:
        yield client
