package inkwire.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;

import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;

/** Appends the lines of its standard input in order, each once, whatever happens to the connection. */
final class Writer {
    private static final long PAUSE_MS = 50;

    /** Un-acknowledged entries: the gateway tells a repeat from a conflict for the last 64. */
    private static final int IN_FLIGHT_MAX = 64;

    private final Connections connections;
    private final String document;
    private final String client = UUID.randomUUID().toString();
    private final List<String> lines;
    private int acknowledged;

    Writer(Connections connections, String document) {
        this.connections = connections;
        this.document = document;
        InputStreamReader input = new InputStreamReader(System.in, StandardCharsets.UTF_8);
        this.lines = new BufferedReader(input).lines().toList();
    }

    void run() throws Exception {
        while (true) {
            Writing writing = new Writing();
            connections.open(writing).whenComplete((session, error) -> {
                if (error != null) {
                    writing.end();
                }
            });
            if (writing.isDone()) {
                Main.say("done");
                return;
            }
            Main.say("cut");
            Thread.sleep(PAUSE_MS);
        }
    }

    private final class Writing extends Listening {
        private StompSession session;
        private int sent;
        private boolean isCut;

        /** Waits until everything is in the log, or the connection is gone. */
        synchronized boolean isDone() throws InterruptedException {
            while (!isCut && acknowledged < lines.size()) {
                wait();
            }
            if (!isCut) {
                session.disconnect();
            }
            return !isCut;
        }

        @Override
        synchronized void cut() {
            isCut = true;
            notifyAll();
        }

        @Override
        public void afterConnected(StompSession session, StompHeaders connected) {
            this.session = session;
            session.setAutoReceipt(true);
            StompHeaders headers = new StompHeaders();
            headers.setDestination("/topic/documents/" + document);
            headers.set("client-id", client);
            headers.set("snapshot", "false");
            session.subscribe(headers, frames((of, payload) -> {})).addReceiptTask(this::joined);
        }

        /** Where the log stands with this writer: what it has is not sent again. */
        private synchronized void joined(StompHeaders receipt) {
            String has = receipt.getFirst("client-seq");
            acknowledged = Math.max(acknowledged, has == null ? 0 : Integer.parseInt(has));
            sent = acknowledged;
            notifyAll();
            pump();
        }

        private synchronized void acknowledged(int number, StompHeaders receipt) {
            if (isCut) {
                return;
            }
            acknowledged = Math.max(acknowledged, number);
            Main.say("acked " + number + " " + receipt.getFirst("position"));
            notifyAll();
            pump();
        }

        private void pump() {
            while (!isCut && sent < lines.size() && sent - acknowledged < IN_FLIGHT_MAX) {
                int number = ++sent;
                StompHeaders headers = new StompHeaders();
                headers.setDestination("/app/documents/" + document);
                headers.set("client-id", client);
                headers.set("client-seq", Integer.toString(number));
                headers.set("content-type", "application/json");
                byte[] body = lines.get(number - 1).getBytes(StandardCharsets.UTF_8);
                try {
                    session.send(headers, body).addReceiptTask(receipt -> acknowledged(number, receipt));
                } catch (RuntimeException error) {
                    // Its session is gone; whether this one landed is told by the next.
                    end();
                }
            }
        }
    }
}
