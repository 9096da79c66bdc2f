package inkwire.interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;

/** What users of Spring's clients rely on, case by case, against one gateway. */
final class Cases {
    private final Connections connections;
    private final String document;
    private final List<StompSession> open = new ArrayList<>();

    Cases(Connections connections, String document) {
        this.connections = connections;
        this.document = document;
    }

    boolean run() {
        boolean isGood = one("a_receipt_means_in_the_log", this::receiptMeansInTheLog);
        isGood &= one("large_bodies_come_whole", this::largeBodiesComeWhole);
        isGood &= one("topics_carry_the_headers_of_the_sender", this::topicsCarryHeaders);
        isGood &= one("a_queue_takes_back_what_was_not_acknowledged", this::queuesTakeBack);
        isGood &= one("user_destinations_keep_their_name", this::userDestinationsKeepTheirName);
        isGood &= one("an_error_ends_the_session", this::errorEndsTheSession);
        return isGood;
    }

    private void receiptMeansInTheLog(String name) throws Exception {
        StompSession session = connect(new Waiting());
        BlockingQueue<Message> seen = subscribe(session, "/topic/documents/" + name, "auto");
        StompHeaders receipt = send(session, "/app/documents/" + name, "\"first\"", "application/json");
        Message message = next(seen);
        equal(message.text(), "\"first\"", "body");
        equal(message.headers.getFirst("position"), receipt.getFirst("position"), "position");
        equal(receipt.getFirst("client-seq"), "1", "client-seq");
    }

    /** Spring splits what it sends over a WebSocket at 16 KiB. */
    private void largeBodiesComeWhole(String name) throws Exception {
        StompSession session = connect(new Waiting());
        BlockingQueue<Message> seen = subscribe(session, "/topic/documents/" + name, "auto");
        String body = "한글 😀 ".repeat(20_000);
        send(session, "/app/documents/" + name, body, "text/plain");
        equal(next(seen).text(), body, "body");
    }

    private void topicsCarryHeaders(String name) throws Exception {
        StompSession session = connect(new Waiting());
        BlockingQueue<Message> seen = subscribe(session, "/topic/" + name, "auto");
        StompHeaders headers = new StompHeaders();
        headers.setDestination("/topic/" + name);
        headers.set("x-colour", "a:b\\c");
        session.send(headers, "hello".getBytes(StandardCharsets.UTF_8));
        Message message = next(seen);
        equal(message.text(), "hello", "body");
        equal(message.headers.getFirst("x-colour"), "a:b\\c", "a header of the sender");
    }

    private void queuesTakeBack(String name) throws Exception {
        StompSession first = connect(new Waiting());
        StompSession second = connect(new Waiting());
        String queue = "/queue/" + name;
        BlockingQueue<Message> taken = subscribe(first, queue, "client-individual");
        send(second, queue, "job", "text/plain");
        Message message = next(taken);
        first.disconnect();
        BlockingQueue<Message> again = subscribe(second, queue, "client-individual");
        Message back = next(again);
        equal(back.headers.getMessageId(), message.headers.getMessageId(), "stable id");
        equal(back.headers.getFirst("redelivered"), "true", "redelivered");
        // A receipt is asked for, and what came cannot be written to.
        StompHeaders ack = new StompHeaders();
        ack.setId(back.headers.getAck());
        CompletableFuture<StompHeaders> receipt = new CompletableFuture<>();
        second.acknowledge(ack, true).addReceiptTask(receipt::complete);
        receipt.get(Connections.PATIENCE_S, TimeUnit.SECONDS);
    }

    private void userDestinationsKeepTheirName(String name) throws Exception {
        StompSession session = connect(new Waiting());
        BlockingQueue<Message> errors = subscribe(session, "/user/queue/errors", "auto");
        StompHeaders headers = new StompHeaders();
        headers.setDestination("/app/documents/" + name);
        headers.set("client-id", UUID.randomUUID().toString());
        headers.set("client-seq", "7");
        session.send(headers, new byte[] {'1'});
        Message message = next(errors);
        equal(message.headers.getDestination(), "/user/queue/errors", "destination");
        equal(message.headers.getFirst("code"), "unknown_client", "code");
    }

    private void errorEndsTheSession(String name) throws Exception {
        Waiting waiting = new Waiting();
        StompSession session = connect(waiting);
        session.subscribe("/nowhere/at/all", Listening.frames((headers, payload) -> {}));
        StompHeaders error = waiting.error.get(Connections.PATIENCE_S, TimeUnit.SECONDS);
        equal(error.getFirst("code"), "no_route", "code");
        waiting.ended.get(Connections.PATIENCE_S, TimeUnit.SECONDS);
    }

    private boolean one(String name, Case which) {
        try {
            which.run(document + "-" + name);
            Main.say("ok " + name);
            return true;
        } catch (Exception | AssertionError error) {
            Main.say("failed " + name + " " + error);
            return false;
        } finally {
            for (StompSession session : open) {
                try {
                    if (session.isConnected()) {
                        session.disconnect();
                    }
                } catch (RuntimeException error) {
                    // Its end came between the question and the farewell.
                }
            }
            open.clear();
        }
    }

    private StompSession connect(Waiting waiting) throws Exception {
        StompSession session = connections.open(waiting).get(Connections.PATIENCE_S, TimeUnit.SECONDS);
        session.setAutoReceipt(true);
        open.add(session);
        return session;
    }

    /** A subscription that stands. */
    private static BlockingQueue<Message> subscribe(StompSession session, String destination, String ack)
            throws Exception {
        BlockingQueue<Message> seen = new LinkedBlockingQueue<>();
        StompHeaders headers = new StompHeaders();
        headers.setDestination(destination);
        headers.setAck(ack);
        CompletableFuture<StompHeaders> stands = new CompletableFuture<>();
        session.subscribe(headers, Listening.frames((of, payload) -> seen.add(new Message(of, payload))))
                .addReceiptTask(stands::complete);
        stands.get(Connections.PATIENCE_S, TimeUnit.SECONDS);
        return seen;
    }

    private static StompHeaders send(StompSession session, String destination, String body, String contentType)
            throws Exception {
        StompHeaders headers = new StompHeaders();
        headers.setDestination(destination);
        headers.set("content-type", contentType);
        CompletableFuture<StompHeaders> receipt = new CompletableFuture<>();
        session.send(headers, body.getBytes(StandardCharsets.UTF_8)).addReceiptTask(receipt::complete);
        return receipt.get(Connections.PATIENCE_S, TimeUnit.SECONDS);
    }

    private static Message next(BlockingQueue<Message> seen) throws InterruptedException {
        Message message = seen.poll(Connections.PATIENCE_S, TimeUnit.SECONDS);
        if (message == null) {
            throw new AssertionError("nothing came");
        }
        return message;
    }

    private static void equal(Object actual, Object expected, String what) {
        if (!expected.equals(actual)) {
            throw new AssertionError(what + ": " + actual + ", expected " + expected);
        }
    }

    private record Message(StompHeaders headers, byte[] payload) {
        String text() {
            return new String(payload, StandardCharsets.UTF_8);
        }
    }

    private interface Case {
        void run(String name) throws Exception;
    }

    /** Its ERROR and its end can be awaited. */
    private static final class Waiting extends Listening {
        final CompletableFuture<Void> ended = new CompletableFuture<>();
        final CompletableFuture<StompHeaders> error = new CompletableFuture<>();

        @Override
        public void handleFrame(StompHeaders headers, Object payload) {
            error.complete(headers);
        }

        @Override
        void cut() {
            ended.complete(null);
        }
    }
}
