"""What the agents and the command line share: contract stubs, database, RPC, settings, errors."""

import os

# gRPC's fork handlers crash some of the children that are started while calls are in progress. Children here run
# another program at once and have no use for them. gRPC reads this when it is first imported, so `services` and `cli`
# import this package before anything else.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
