"""The ways in which stomp.py reaches a gateway, and one connection with its events as a queue."""

import queue
from urllib.parse import urlsplit

import stomp

PATIENCE_S = 10
KINDS = {
    "1.0": stomp.StompConnection10,
    "1.1": stomp.StompConnection11,
    "1.2": stomp.StompConnection12,
}


class Connections:
    """`tcp` or `websocket`, at one address."""

    def __init__(self, transport, url, token):
        self.transport = transport
        self.url = urlsplit(url)
        self.token = token

    def open(self, version="1.2"):
        """A connection that the gateway has welcomed."""
        return Connection(self, version)

    def _make(self, version):
        address = [(self.url.hostname, self.url.port)]
        options = {"auto_decode": False, "reconnect_attempts_max": 1}
        if version != "1.0":
            options["heartbeats"] = (10_000, 10_000)
        if self.transport == "tcp":
            return KINDS[version](address, **options)
        return stomp.WSStompConnection(
            address, ws_path=self.url.path, header={"Sec-WebSocket-Protocol": "v12.stomp"}, **options
        )


class Connection(stomp.ConnectionListener):
    def __init__(self, connections, version):
        self.events = queue.Queue()
        self.kept = []
        self.stomp = connections._make(version)
        self.stomp.set_listener("", self)
        headers = {"Authorization": f"Bearer {connections.token}"} if connections.token else {}
        self.stomp.connect(wait=True, headers=headers)
        self.connected = self.wait("connected")
        self.receipts = 0

    def on_connected(self, frame):
        self.events.put(("connected", frame))

    def on_message(self, frame):
        self.events.put(("message", frame))

    def on_receipt(self, frame):
        self.events.put((f"receipt {frame.headers['receipt-id']}", frame))

    def on_error(self, frame):
        self.events.put(("error", frame))

    def on_disconnected(self):
        self.events.put(("cut", None))

    def next(self, timeout_s=PATIENCE_S):
        """The next event, kept ones first: its name and its frame."""
        return self.kept.pop(0) if self.kept else self.events.get(timeout=timeout_s)

    def wait(self, name):
        """The frame of the next event with this name; others are kept."""
        for index, (kept, frame) in enumerate(self.kept):
            if kept == name:
                del self.kept[index]
                return frame
        while True:
            event, frame = self.events.get(timeout=PATIENCE_S)
            if event == name:
                return frame
            self.kept.append((event, frame))

    def receipt(self):
        self.receipts += 1
        return f"r{self.receipts}"

    def subscribe(self, destination, id="s", ack="auto", **headers):
        """Subscribes, and gives the receipt that says that it stands."""
        receipt = self.receipt()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.stomp.subscribe(destination, id=id, ack=ack, headers={**headers, "receipt": receipt})
        return self.wait(f"receipt {receipt}")

    def send(self, destination, body, content_type="text/plain", **headers):
        receipt = self.receipt()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.stomp.send(destination, body, content_type, {**headers, "receipt": receipt})
        return self.wait(f"receipt {receipt}")

    def close(self):
        if self.stomp.is_connected():
            self.stomp.disconnect()
