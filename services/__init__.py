"""The five agents, each a process of its own."""

import shared  # noqa: F401 - sets what gRPC reads when it is first imported
