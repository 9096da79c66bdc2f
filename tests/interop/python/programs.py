"""A reader and a writer that go on where they were after every cut."""

import base64
import queue
import sys
import threading
import time
import uuid

import stomp

PAUSE_S = 0.05
# Un-acknowledged entries: the gateway tells a repeat from a conflict for the last 64.
IN_FLIGHT_MAX = 64


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def connected(connections):
    while True:
        try:
            return connections.open()
        except (stomp.exception.StompException, OSError, queue.Empty):
            time.sleep(PAUSE_S)


def read(connections, document):
    threading.Thread(target=show, args=(connections, document), daemon=True).start()
    sys.stdin.read()


def show(connections, document):
    position = None
    while True:
        connection = connected(connections)
        headers = {"receipt": "joined"}
        if position:
            headers["since"] = position
        connection.stomp.subscribe(f"/topic/documents/{document}", id="doc", headers=headers)
        while True:
            event, frame = connection.next(timeout_s=None)
            if event == "cut":
                say("cut")
                break
            if event == "error":
                say(f"error {frame.headers.get('message')}")
            elif event.startswith("receipt"):
                say(f"joined {frame.headers['position']}")
            elif event == "message":
                position = frame.headers.get("position", position)
                what = frame.headers.get("event")
                if what is None:
                    body = frame.body if isinstance(frame.body, bytes) else frame.body.encode()
                    say(f"entry {position} {frame.headers['author']} {base64.b64encode(body).decode()}")
                else:
                    cause = frame.headers.get("cause", frame.headers.get("code", ""))
                    say(f"{what} {cause} {position}")


def write(connections, document):
    lines, client, acknowledged = [], str(uuid.uuid4()), 0
    lines.extend(line.rstrip("\n") for line in sys.stdin)
    while acknowledged < len(lines):
        acknowledged = write_on(connected(connections), document, lines, client, acknowledged)
    say("done")


def write_on(connection, document, lines, client, acknowledged):
    """Writes until the connection is cut or all is acknowledged; gives how much is."""
    try:
        joined = connection.subscribe(
            f"/topic/documents/{document}", id="own", client_id=client, snapshot="false"
        )
    except (queue.Empty, stomp.exception.StompException):
        say("cut")
        return acknowledged
    # Where the log stands with this writer: what it has is not sent again.
    acknowledged = max(acknowledged, int(joined.headers.get("client-seq", 0)))
    sent = acknowledged
    while acknowledged < len(lines):
        try:
            while sent < len(lines) and sent - acknowledged < IN_FLIGHT_MAX:
                headers = {"client-id": client, "client-seq": str(sent + 1), "receipt": f"n{sent + 1}"}
                connection.stomp.send(
                    f"/app/documents/{document}", lines[sent], "application/json", headers
                )
                sent += 1
            event, frame = connection.next(timeout_s=60)
        except (queue.Empty, stomp.exception.StompException):
            event, frame = "cut", None
        if event == "cut":
            say("cut")
            return acknowledged
        if event == "error":
            say(f"error {frame.headers.get('message')}")
        elif event.startswith("receipt n"):
            acknowledged = max(acknowledged, int(event.removeprefix("receipt n")))
            say(f"acked {acknowledged} {frame.headers['position']}")
    connection.close()
    return acknowledged
