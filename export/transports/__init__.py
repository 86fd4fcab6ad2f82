"""The ways from a client to a server: gRPC and REST, behind the same calls."""
