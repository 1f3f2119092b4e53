"""A PostgreSQL server of our own for the tests: a fresh cluster in a temporary folder on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text


def find_binaries() -> Path | None:
    """Return the folder with `initdb` and `postgres` of the newest installed version; None where there is none."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if candidates:
        return candidates[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def run_as_admin(server: str, statement: str) -> None:
    """Run a statement that needs a connection without a transaction, in the database of a server's URL."""
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


class Server:
    """A server that can be stopped and started again on the same port. `url` is that of its `postgres` database.

    `folder` has its data, and belongs to the user that it runs as.
    """

    def __init__(self, control: list[str], options: str, folder: Path, port: int) -> None:
        self.folder = folder
        self.url = f"postgresql://quintet@127.0.0.1:{port}/postgres"
        self.port = port
        self._control, self._options = control, options

    def start(self) -> None:
        """Start and wait until it takes connections."""
        _run([*self._control, "-l", str(self.folder / "log"), "-o", self._options, "start"], self.folder)

    def stop(self) -> None:
        """Stop at once: connections are lost, as in a crash."""
        _run([*self._control, "-m", "immediate", "stop"], self.folder)


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """Start a server and yield the URL of its `postgres` database; stop it and remove it at the end."""
    with restartable_server(binaries) as server:
        yield server.url


@contextmanager
def restartable_server(binaries: Path) -> Iterator[Server]:
    """Start a server and yield it; stop it and remove it at the end. It must run then."""
    folder = Path(tempfile.mkdtemp(prefix="quintet-pg-"))
    as_user = _unprivileged_prefix(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    _run([*as_user, str(binaries / "initdb"), "-D", str(data), "-U", "quintet", "--auth=trust", "-E", "UTF8"], folder)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*as_user, str(binaries / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
    server = Server(control, options, folder, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_prefix(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: run it as `postgres` (or `nobody`) then."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    folder.chmod(0o700)
    return ["setpriv", f"--reuid={user}", "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups", "--"]


def _run(command: list[str], folder: Path) -> None:
    with (folder / "setup.log").open("ab") as output:
        done = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"{command[-1]}: exit {done.returncode}\n{(folder / 'setup.log').read_text()}")
