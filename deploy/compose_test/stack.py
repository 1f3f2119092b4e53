"""The compose file as a running project: up, kill, scale, down, by the same commands that people use."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

WAIT_SECONDS = 180
BRIDGE_MAC = "02:42:0a:59:00:01"


class CommandFailed(Exception):
    """A command ended with an error; the message has what it said."""


@dataclass(frozen=True)
class Stack:
    """A compose project.

    `compose` is the command of Docker Compose, `engine` is `docker` or `podman`, `address` and `url` are where the
    coordinator is published by gRPC and by HTTP, and `environment` is added to each command's own.
    """

    project: str
    compose: Sequence[str]
    engine: str
    address: str
    url: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def up(self, *options: str) -> None:
        """Start what is not running yet and wait until all is healthy."""
        # podman hashes the configuration otherwise than Compose, which would recreate containers that did not change
        keep = ["--no-recreate"] if self.engine == "podman" else []
        self._compose("up", "--detach", "--no-build", "--wait", f"--wait-timeout={WAIT_SECONDS}", *keep, *options)
        self._steady_bridge()
        os.environ |= self.operator()

    def down(self, *options: str) -> None:
        """Remove containers and networks, with `--volumes` the data too. Safe to repeat."""
        self._compose("down", "--remove-orphans", *options)

    def logs(self) -> str:
        """Return what all containers said last."""
        return self._compose("logs", "--no-color", "--tail=60", check=False)

    def containers(self, service: str) -> list[str]:
        """Return the ids of the running containers of a service."""
        return self._compose("ps", "--quiet", service).split()

    def execute(self, container: str, *command: str) -> str:
        """Return what a command prints in a container."""
        return self._run([self.engine, "exec", container, *command])

    def copy_in(self, service: str, source: Path, path: str) -> None:
        """Copy a file into a service's container."""
        self._compose("cp", str(source), f"{service}:{path}")

    def copy_out(self, service: str, path: str, target: Path) -> None:
        """Copy a file out of a service's container."""
        self._compose("cp", f"{service}:{path}", str(target))

    def run_once(self, service: str, script: str, stdin: Path) -> None:
        """Run a shell script in a container made for it, with a file as its standard input."""
        command = ["run", "--rm", "--no-deps", "--no-TTY", service, "sh", "-c", script]
        with stdin.open("rb") as given:
            self._compose(*command, stdin=given)

    def kill(self, container: str) -> None:
        """Kill a container with SIGKILL, as a crash would; wait until the engine starts it anew."""
        process = self._pid(container)
        assert process > 0, f"{container} is not running"
        os.kill(process, signal.SIGKILL)
        self._wait(lambda: self._pid(container) not in (0, process), f"{container} was not started again")

    def restart(self, container: str) -> None:
        """Stop a container gracefully, start it again and wait until it is healthy."""
        self._run([self.engine, "restart", "--time=15", container])
        self.wait_healthy(container)

    def wait_healthy(self, container: str) -> None:
        """Wait until a container's health check passes."""
        self._wait(lambda: self._health(container) == "healthy", f"{container} is not healthy")

    def operator(self) -> dict[str, str]:
        """Return what has a client trust the coordinator and show the operator's key."""
        [coordinator] = self.containers("coordinator")
        ca = Path(tempfile.gettempdir()) / f"{self.project}-ca.crt"
        ca.write_text(self.execute(coordinator, "cat", "/secrets/public-ca.crt"))
        key = self.execute(coordinator, "cat", "/secrets/operator.key").strip()
        return {"QUINTET_TLS_CA": str(ca), "QUINTET_API_KEY": key}

    def leftovers(self) -> list[str]:
        """Return the containers, volumes and networks of the project that there still are."""
        mine = f"label=com.docker.compose.project={self.project}"
        found = [
            self._run([self.engine, *listing, "--quiet", "--filter", mine])
            for listing in (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
        ]
        return [name for names in found for name in names.split()]

    def _pid(self, container: str) -> int:
        return int(self._inspect(container)["State"]["Pid"])

    def _health(self, container: str) -> str:
        state = self._inspect(container)["State"]
        return str((state.get("Health") or state.get("Healthcheck") or {}).get("Status", ""))

    def _inspect(self, container: str) -> Any:
        return json.loads(self._run([self.engine, "inspect", container]))[0]

    def _compose(self, *arguments: str, check: bool = True, stdin: IO[bytes] | None = None) -> str:
        return self._run([*self.compose, "--project-name", self.project, *arguments], check, stdin)

    def _run(self, command: list[str], check: bool = True, stdin: IO[bytes] | None = None) -> str:
        given = subprocess.DEVNULL if stdin is None else stdin
        done = subprocess.run(
            command, env=self._environment, stdin=given, capture_output=True, text=True, timeout=400, check=False
        )
        if check and done.returncode != 0:
            raise CommandFailed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    @cached_property
    def _environment(self) -> dict[str, str]:
        return dict(os.environ) | dict(self.environment)

    def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(complaint)
            time.sleep(0.1)

    def _steady_bridge(self) -> None:
        """Keep the bridge's MAC address when containers come and go, on podman.

        Otherwise it changes with each, peers keep the old one in their ARP tables, and names do not resolve.
        """
        if self.engine != "podman":
            return
        network = json.loads(self._run(["podman", "network", "inspect", f"{self.project}_default"]))[0]
        self._run(["ip", "link", "set", network["network_interface"], "address", BRIDGE_MAC])
        for container in self._run(["podman", "ps", "--quiet"]).split():
            flush = ["nsenter", "--net", "--target", str(self._pid(container)), "ip", "neigh", "flush", "all"]
            self._run(flush)
