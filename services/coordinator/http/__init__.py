"""HTTP/JSON in front of the coordinator's servicer: every RPC by its annotation, and three plain calls for pages."""
