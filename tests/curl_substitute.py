"""The few options of curl that the guides use, for a machine without it."""

from __future__ import annotations

import argparse
import sys

import urllib3

TIMEOUT_S = 30


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-s", action="store_true", help="accepted; there is no progress to hide")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    parser.add_argument("url")
    given = parser.parse_args()
    method = given.method or ("GET" if given.body is None else "POST")
    headers = dict(header.split(": ", 1) for header in given.headers)
    answer = urllib3.request(
        method, given.url, body=given.body, headers=headers, timeout=TIMEOUT_S, retries=False
    )
    sys.stdout.buffer.write(answer.data)


if __name__ == "__main__":
    main()
