"""The five agents, each a process of its own."""

import os

# gRPC's fork handlers crash one in twenty children that uvloop starts while calls are in progress. Children here run
# another program at once and have no use for them. gRPC reads this when it is first imported, so it stands here.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
