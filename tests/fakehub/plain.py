"""Plain HTTP: what the clients do not show, or correct on their own."""

from __future__ import annotations

import http.client


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """GET without following redirects and without raising."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"/{path}", headers=named)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, found, answer.read()
    finally:
        connection.close()
