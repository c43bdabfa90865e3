"""A port of this machine that nobody listens on."""

import socket


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]
