package inkwire.interop;

import java.lang.reflect.Type;

import org.springframework.messaging.simp.stomp.StompCommand;
import org.springframework.messaging.simp.stomp.StompFrameHandler;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;

/** What every program does with a session: octets as they are, and an end that is told once. */
abstract class Listening extends StompSessionHandlerAdapter {
    private boolean hasEnded;

    /** The connection is gone, or was never made. */
    abstract void cut();

    @Override
    public Type getPayloadType(StompHeaders headers) {
        return byte[].class;
    }

    @Override
    public void handleFrame(StompHeaders headers, Object payload) {
        Main.say("error " + headers.getFirst("message"));
    }

    @Override
    public void handleException(
            StompSession session, StompCommand command, StompHeaders headers, byte[] payload, Throwable exception) {
        Main.say("exception " + exception);
    }

    @Override
    public void handleTransportError(StompSession session, Throwable exception) {
        end();
    }

    synchronized void end() {
        if (!hasEnded) {
            hasEnded = true;
            cut();
        }
    }

    /** Hands on what a subscription brings. */
    static StompFrameHandler frames(Taker taker) {
        return new StompFrameHandler() {
            @Override
            public Type getPayloadType(StompHeaders headers) {
                return byte[].class;
            }

            @Override
            public void handleFrame(StompHeaders headers, Object payload) {
                taker.take(headers, payload == null ? new byte[0] : (byte[]) payload);
            }
        };
    }

    interface Taker {
        void take(StompHeaders headers, byte[] payload);
    }
}
