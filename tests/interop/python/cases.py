"""What users of stomp.py rely on, case by case, against one gateway."""

import traceback
import uuid

from programs import say


def cases(connections, document):
    is_good = True
    for name, run in CASES.items():
        opened = []

        def connect(version="1.2"):
            opened.append(connections.open(version))
            return opened[-1]

        try:
            run(connect, f"{document}-{name}", connections.transport)
            say(f"ok {name}")
        except Exception as error:
            is_good = False
            traceback.print_exc()
            say(f"failed {name} {type(error).__name__} {error}")
        for connection in opened:
            try:
                connection.close()
            except Exception as error:
                say(f"failed {name} at its end: {error}")
                is_good = False
    return is_good


CASES = {}


def case(run):
    CASES[run.__name__] = run
    return run


@case
def versions(connect, document, transport):
    for version in ["1.2"] if transport == "websocket" else ["1.0", "1.1", "1.2"]:
        connection = connect(version)
        said = connection.connected.headers
        # 1.0 knows no such header.
        equal(said.get("version", "1.0"), version, "version")
        connection.subscribe(f"/topic/documents/{document}", id="own")
        connection.send(f"/app/documents/{document}", version)
        equal(text(connection.wait("message")), version if version == "1.0" or transport == "websocket" else "1.0", "the first entry")


@case
def a_receipt_of_a_send_means_in_the_log(connect, document, transport):
    writer, reader = connect(), connect()
    reader.subscribe(f"/topic/documents/{document}")
    receipt = writer.send(f"/app/documents/{document}", "first")
    equal(receipt.headers["client-seq"], "1", "client-seq")
    message = reader.wait("message")
    equal(text(message), "first", "body")
    equal(message.headers["position"], receipt.headers["position"], "position")


@case
def bodies_are_octets(connect, document, transport):
    connection = connect()
    connection.subscribe(f"/topic/documents/{document}")
    octets = bytes(range(256))
    for body in [b"", "한글 😀".encode(), b"a\0b", b"line\r\n\n", b"x" * 200_000, octets]:
        kind = "application/octet-stream" if body == octets else "text/plain"
        if transport == "websocket" and body == octets:
            # stomp.py decides for text or binary once for each connection.
            continue
        connection.send(f"/app/documents/{document}", body, kind)
        got = connection.wait("message").body
        equal(got if isinstance(got, bytes) else got.encode(), body, "body")


@case
def cumulative_acks(connect, document, transport):
    connection = connect("1.1" if transport == "tcp" else "1.2")
    for i in range(8):
        connection.send(f"/app/documents/{document}", str(i))
    connection.subscribe(f"/topic/documents/{document}", ack="client", window="4")
    seen = []
    while len(seen) < 8:
        seen.append(connection.wait("message"))
        if len(seen) % 4 == 0:
            last = seen[-1].headers
            if transport == "tcp":
                connection.stomp.ack(last["message-id"], "s")
            else:
                connection.stomp.ack(last["ack"])
    equal([text(message) for message in seen], [str(i) for i in range(8)], "order")


@case
def topics_carry_the_headers_of_the_sender(connect, document, transport):
    one, two = connect(), connect()
    one.subscribe(f"/topic/{document}")
    two.send(f"/topic/{document}", "hello", x_colour="a:b\\c")
    message = one.wait("message")
    equal(text(message), "hello", "body")
    equal(message.headers["x-colour"], "a:b\\c", "a header of the sender")


@case
def what_is_not_acknowledged_comes_again(connect, document, transport):
    first, second = connect(), connect()
    queue = f"/queue/{document}"
    first.subscribe(queue, ack="client-individual")
    second.send(queue, "job")
    taken = first.wait("message")
    equal(text(taken), "job", "body")
    first.close()
    second.subscribe(queue, ack="client-individual")
    again = second.wait("message")
    equal(again.headers["message-id"], taken.headers["message-id"], "stable id")
    equal(again.headers["redelivered"], "true", "redelivered")
    second.stomp.ack(again.headers["ack"])


@case
def transactions(connect, document, transport):
    connection = connect()
    connection.subscribe(f"/topic/documents/{document}")
    for is_committed in [False, True]:
        name = connection.stomp.begin()
        for i in range(3):
            connection.stomp.send(f"/app/documents/{document}", f"{is_committed} {i}", transaction=name)
        if is_committed:
            connection.stomp.commit(name)
        else:
            connection.stomp.abort(name)
    for i in range(3):
        equal(text(connection.wait("message")), f"True {i}", "body")


@case
def a_refused_send_is_told(connect, document, transport):
    connection = connect()
    connection.subscribe("/user/queue/errors", id="errors")
    headers = {"client-id": str(uuid.uuid4()), "client-seq": "7", "receipt": "refused"}
    connection.stomp.send(f"/app/documents/{document}", "1", headers=headers)
    message = connection.wait("message")
    equal(message.headers["code"], "unknown_client", "code")
    equal(message.headers["receipt-id"], "refused", "receipt-id")


@case
def an_unknown_acknowledgement_is_an_error(connect, document, transport):
    connection = connect()
    connection.stomp.ack("nothing")
    error = connection.wait("error")
    if len(error.body) < 10:
        raise AssertionError("the body does not explain")
    connection.wait("cut")


def text(frame):
    return frame.body.decode() if isinstance(frame.body, bytes) else frame.body


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")
