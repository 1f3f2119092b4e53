"""Faults of the network between the agents: a connection that says nothing, and one that is cut."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from benchmarks.faults.shops import Shop
from benchmarks.faults.stage import Found, settings_for, staged
from shared.config import Agent, Settings
from tests.support.proxy import Proxy, proxy_to

APART_SECONDS = 4.0
CALLED: tuple[Agent, ...] = ("recommendation", "customer", "product", "feedback")
"""Agents that the coordinator calls."""


def parted(shop: Shop, seconds: float = APART_SECONDS) -> Found:
    """Part the coordinator from each agent in turn, first by silence, then by cut connections, then from all."""
    alone = settings_for(shop, "parted", shop.copy("parted"), recommendation_replicas=1)
    with (
        _proxied(alone) as (settings, proxies),
        staged(shop, "parted", url=settings.database_url, settings=settings) as stage,
    ):
        for agents in (*([agent] for agent in CALLED), CALLED):
            name = agents[0] if len(agents) == 1 else "all agents"
            apart = [proxies[agent] for agent in agents]
            with stage.fault(f"{name}, silent"):
                _for_each(apart, Proxy.silence)
                time.sleep(seconds)
                _for_each(apart, Proxy.speak)
            with stage.fault(f"{name}, cut"):
                _for_each(apart, Proxy.cut)
                time.sleep(seconds)
                _for_each(apart, Proxy.mend)
    return stage.found


def _for_each(proxies: Sequence[Proxy], act: Callable[[Proxy], None]) -> None:
    for proxy in proxies:
        act(proxy)


@contextmanager
def _proxied(settings: Settings) -> Iterator[tuple[Settings, dict[Agent, Proxy]]]:
    """Give the settings with a proxy in front of each agent that is called, and the proxies."""
    with ExitStack() as stack:
        proxies = {agent: stack.enter_context(proxy_to(settings.port(agent))) for agent in CALLED}
        addresses = {f"{agent}_address": f"127.0.0.1:{proxy.port}" for agent, proxy in proxies.items()}
        yield settings.model_copy(update=addresses), proxies
