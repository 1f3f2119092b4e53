"""An object store on loopback that speaks the protocol of Amazon S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from shared.object_store import ObjectStore

BUCKET = "models"
REGION = "eu-central-1"


@dataclass(frozen=True)
class StoreServer:
    """A running server with one bucket; `stop` makes it unreachable."""

    server: ThreadedMotoServer
    endpoint: str
    files: fs.S3FileSystem

    def store(self, prefix: str) -> ObjectStore:
        """Return a client that writes below `prefix`."""
        return ObjectStore(f"s3://{BUCKET}/{prefix}", self.endpoint, REGION)

    def names(self, prefix: str) -> list[str]:
        """Return the names of the objects below `prefix`."""
        selector = fs.FileSelector(f"{BUCKET}/{prefix}", recursive=True, allow_not_found=True)
        return [each.path for each in self.files.get_file_info(selector) if each.is_file]

    def overwrite(self, path: str, data: bytes) -> None:
        """Put other bytes in the place of an object."""
        with self.files.open_output_stream(path) as stream:
            stream.write(data)


@contextmanager
def running_object_store() -> Iterator[StoreServer]:
    """Run a server with the bucket `models`; credentials are in the environment meanwhile."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        files = fs.S3FileSystem(endpoint_override=endpoint, region=REGION, allow_bucket_creation=True)
        files.create_dir(BUCKET)
        try:
            yield StoreServer(server, endpoint, files)
        finally:
            server.stop()
