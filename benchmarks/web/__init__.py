"""What HTTP/JSON costs over gRPC, and whether every answer is as the OpenAPI document says."""
