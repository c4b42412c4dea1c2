"""The HTTP gateway: JSON over HTTP in front of the gRPC server, driven by the contract's annotations."""
