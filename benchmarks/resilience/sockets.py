"""What a port answers, whatever it is asked, and on which addresses it listens."""

from __future__ import annotations

import base64
import http.client
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


def handshake(port: int, host: str | None, origin: str | None) -> int:
    """HTTP status of a request for the dashboard's web socket; 101 is a session that was opened."""
    connection = shake_hands(port, host, origin)
    found = connection.getresponse().status
    connection.close()
    return found


def shake_hands(
    port: int, host: str | None, origin: str | None, *, seconds: float = 60.0
) -> http.client.HTTPConnection:
    """A connection that asks for the dashboard's web socket, and listens to nothing afterwards.

    Args:
      host, origin: headers as they are sent, whatever they say; None for none.
    """
    connection = http.client.HTTPConnection("localhost", port, timeout=seconds)
    connection.putrequest("GET", "/_stcore/stream", skip_host=True)
    headers = {
        "Host": host,
        "Origin": origin,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "streamlit",
    }
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    return connection
