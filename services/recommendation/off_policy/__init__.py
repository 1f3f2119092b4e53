"""What another policy would have earned, estimated from logged decisions. Arrays in, numbers out; no gRPC, no SQL."""
