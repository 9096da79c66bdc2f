"""python main.py reader|writer|cases <transport> <url> <document>, over stomp.py."""

import os
import sys

from cases import cases
from connections import Connections
from programs import read, write


def main():
    role, transport, url, document = sys.argv[1:5]
    connections = Connections(transport, url, os.environ.get("INKWIRE_TOKEN"))
    if role == "reader":
        read(connections, document)
    elif role == "writer":
        write(connections, document)
    elif role == "cases":
        sys.exit(0 if cases(connections, document) else 1)
    else:
        raise SystemExit(f"no such role: {role}")


main()
