"""The gRPC server process: its interceptor chain, its errors, its health and its life."""
