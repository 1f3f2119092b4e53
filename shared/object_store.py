"""Objects in a store that speaks the protocol of Amazon S3."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from shared.errors import DataLoss, Unavailable

SCHEME = "s3://"
PIECE_BYTES = 8 * 1024 * 1024
"""Bytes of one request for a part of an object: what a reader has in memory."""
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0
ATTEMPTS = 4


class ObjectStore:
    """Writes, reads and deletes objects below one address. Connects with the first use. Safe for several threads.

    Credentials come from where the tools of Amazon look for them: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a
    profile, the role of the machine or the pod.

    Parameters
    ----------
    address : str
        `s3://bucket` or `s3://bucket/prefix`, below which new objects are written.
    endpoint : str
        `https://host:port` of a server that is not Amazon's; empty for Amazon's.
    region : str
        Region of the bucket; empty for the one of the environment.
    """

    def __init__(self, address: str, endpoint: str = "", region: str = "") -> None:
        self._address = address.rstrip("/")
        self._endpoint = endpoint
        self._region = region
        self._connected: Any = None

    def address_of(self, name: str) -> str:
        """Return the address that a new object `name`, such as `recommender/v1`, has in this store."""
        return f"{self._address}/{name}"

    def write(self, address: str, file: IO[bytes]) -> None:
        """Store the rest of a file as the object `address`. Raises Unavailable.

        A write that fails may leave a part: who reads compares a checksum.
        """
        with _translated(address), self._client().open_output_stream(_path(address)) as stream:
            shutil.copyfileobj(file, stream, PIECE_BYTES)

    def read(self, address: str) -> Iterator[bytes]:
        """Yield an object in pieces. Raises DataLoss where there is none, Unavailable."""
        with _translated(address), self._client().open_input_stream(_path(address)) as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece

    def delete(self, address: str) -> None:
        """Delete an object. Safe to repeat. Raises Unavailable."""
        with _translated(address):
            try:
                self._client().delete_file(_path(address))
            except FileNotFoundError:
                return

    def _client(self) -> Any:
        if self._connected is None:
            from pyarrow import fs  # takes some 80 MiB, which only those pay who have an object store

            self._connected = fs.S3FileSystem(
                endpoint_override=self._endpoint or None,
                region=self._region or None,
                connect_timeout=CONNECT_SECONDS,
                request_timeout=REQUEST_SECONDS,
                retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            )
        return self._connected


def _path(address: str) -> str:
    return address.removeprefix(SCHEME)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """Turn the client's errors into ours; its words stay in the cause, for the log."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataLoss(f"the object store has no {address}") from error
    except OSError as error:
        raise Unavailable("the object store of the models cannot be used now") from error
