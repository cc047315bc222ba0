"""A small HTTP API in a process of its own: small_api.py PORT FILE ILL_STARTS. Ill for so many starts, then well."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Well(BaseHTTPRequestHandler):
    health = 200

    def do_GET(self) -> None:
        self.send_response(self.health if self.path == "/health" else 404)
        self.end_headers()


class Ill(Well):
    health = 503


def main(port: int, file: Path, ill_starts: int) -> None:
    with file.open("a") as starts:
        starts.write("started\n")
    is_ill = len(file.read_text().splitlines()) <= ill_starts
    sys.stderr.write("The pool is used up.\n" if is_ill else "Ready.\n")
    HTTPServer(("127.0.0.1", port), Ill if is_ill else Well).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
