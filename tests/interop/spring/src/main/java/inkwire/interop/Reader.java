package inkwire.interop;

import java.util.Base64;
import java.util.concurrent.SynchronousQueue;

import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;

/** Shows a document, and goes on where it was after every cut. */
final class Reader {
    private static final long PAUSE_MS = 50;

    private final Connections connections;
    private final String document;
    private volatile String position;

    Reader(Connections connections, String document) {
        this.connections = connections;
        this.document = document;
    }

    void run() throws Exception {
        Thread showing = new Thread(this::show);
        showing.setDaemon(true);
        showing.start();
        while (System.in.read() >= 0) {
            // Until it ends.
        }
    }

    private void show() {
        try {
            while (true) {
                SynchronousQueue<Boolean> ended = new SynchronousQueue<>();
                connections.open(new Showing(ended)).exceptionally(error -> null);
                ended.take();
                Main.say("cut");
                Thread.sleep(PAUSE_MS);
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }

    private final class Showing extends Listening {
        private final SynchronousQueue<Boolean> ended;

        Showing(SynchronousQueue<Boolean> ended) {
            this.ended = ended;
        }

        @Override
        void cut() {
            Thread telling = new Thread(() -> {
                try {
                    ended.put(true);
                } catch (InterruptedException error) {
                    Thread.currentThread().interrupt();
                }
            });
            telling.setDaemon(true);
            telling.start();
        }

        @Override
        public void afterConnected(StompSession session, StompHeaders connected) {
            StompHeaders headers = new StompHeaders();
            headers.setDestination("/topic/documents/" + document);
            if (position != null) {
                headers.set("since", position);
            }
            session.setAutoReceipt(true);
            session.subscribe(headers, frames(this::take))
                    .addReceiptTask(receipt -> Main.say("joined " + receipt.getFirst("position")));
        }

        private void take(StompHeaders headers, byte[] payload) {
            String at = headers.getFirst("position");
            if (at != null) {
                position = at;
            }
            String event = headers.getFirst("event");
            if (event == null) {
                String body = Base64.getEncoder().encodeToString(payload);
                Main.say("entry " + at + " " + headers.getFirst("author") + " " + body);
            } else {
                Main.say(event + " " + headers.getFirst("cause") + " " + at);
            }
        }
    }
}
