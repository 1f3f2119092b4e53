"""A server that others reach does not start without keys and TLS, and says what is missing."""

import pytest

from shared.config import AGENTS, Agent, Settings
from shared.errors import FailedPrecondition
from shared.rpc.exposure import is_loopback, require_guarded

EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is refused
AGENTS_TLS = {"agents_tls_cert": "c", "agents_tls_key": "k", "agents_tls_ca": "a"}
WHOLE = {"auth": "required", "tls_cert": "c", "tls_key": "k", **AGENTS_TLS}


def settings(**values: str) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_nothing(agent: Agent, host: str) -> None:
    require_guarded(agent, settings(bind_host=host))


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.1", "shop.internal", ""])
def test_elsewhere_it_does_not_start_and_says_how_it_would(agent: Agent, host: str) -> None:
    with pytest.raises(FailedPrecondition, match="quintet certs") as caught:
        require_guarded(agent, settings(bind_host=host))
    assert ("quintet keys create" in caught.value.message) == (agent == "coordinator")
    require_guarded(agent, settings(bind_host=host, **WHOLE))


@pytest.mark.parametrize(
    ("missing", "named"),
    [({"auth": "off"}, "QUINTET_AUTH"), ({"tls_cert": "", "tls_key": ""}, "QUINTET_TLS_CERT")],
)
def test_each_of_keys_and_tls_is_needed(missing: dict[str, str], named: str) -> None:
    with pytest.raises(FailedPrecondition, match=named):
        require_guarded("coordinator", settings(bind_host=EVERYWHERE, **(WHOLE | missing)))


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert is_loopback("127.9.9.9")
    assert is_loopback("[::1]")
    assert not is_loopback("localhost.example")
