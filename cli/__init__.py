"""The operator's command line."""

import shared  # noqa: F401 - sets what gRPC reads when it is first imported
