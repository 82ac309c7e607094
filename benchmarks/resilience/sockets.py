"""What a port answers, and on which addresses, without a library between."""

from __future__ import annotations

import base64
import os
import socket
from pathlib import Path


def listening(port: int) -> set[str]:
    """Addresses on which this port is listened to, as Linux lists them; none on other systems."""
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        path = Path(f"/proc/net/{table}")
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                words = [address[i : i + 8] for i in range(0, len(address), 8)]
                packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
                found.add(socket.inet_ntop(family, packed))
    return found


def handshake(port: int, host: str | None, origin: str | None, *, seconds: float = 30.0) -> int:
    """HTTP status of a request for the dashboard's web socket; 101 is a session that was opened.

    Args:
      host, origin: headers as they are sent, whatever they say; None for none.

    Raises:
      OSError: no answer.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        *([f"Host: {host}"] if host is not None else []),
        *([f"Origin: {origin}"] if origin is not None else []),
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: streamlit",
    ]
    with socket.create_connection(("localhost", port), timeout=seconds) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = connection.recv(4096)
    parts = answer.split(maxsplit=2)
    if len(parts) < 2 or not parts[1].isdigit():
        raise OSError(f"no HTTP answer: {answer[:60]!r}")
    return int(parts[1])
