package inkwire.interop;

import java.net.URI;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import jakarta.websocket.ContainerProvider;
import jakarta.websocket.WebSocketContainer;

import org.springframework.messaging.simp.stomp.ReactorNettyTcpStompClient;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.web.socket.WebSocketHttpHeaders;
import org.springframework.web.socket.client.WebSocketClient;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;
import org.springframework.web.socket.sockjs.client.RestTemplateXhrTransport;
import org.springframework.web.socket.sockjs.client.SockJsClient;
import org.springframework.web.socket.sockjs.client.Transport;
import org.springframework.web.socket.sockjs.client.WebSocketTransport;

/** One of Spring's clients, at one address: {@code websocket}, {@code sockjs:websocket}, {@code sockjs:xhr}, {@code tcp}. */
final class Connections {
    static final long PATIENCE_S = 10;
    private static final int BODY_BYTES_MAX = 4 << 20;
    private static final long RECEIPT_LIMIT_MS = TimeUnit.SECONDS.toMillis(60);

    private final String url;
    private final String token;
    private final ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
    private final String transport;

    Connections(String transport, String url, String token) {
        this.transport = transport;
        this.url = url;
        this.token = token;
        scheduler.setDaemon(true);
        scheduler.initialize();
    }

    private static WebSocketClient client(String transport) {
        WebSocketContainer container = ContainerProvider.getWebSocketContainer();
        container.setDefaultMaxTextMessageBufferSize(BODY_BYTES_MAX);
        container.setDefaultMaxBinaryMessageBufferSize(BODY_BYTES_MAX);
        StandardWebSocketClient webSocket = new StandardWebSocketClient(container);
        return switch (transport) {
            case "websocket" -> webSocket;
            case "sockjs:websocket" -> new SockJsClient(List.<Transport>of(new WebSocketTransport(webSocket)));
            case "sockjs:xhr" -> new SockJsClient(List.<Transport>of(new RestTemplateXhrTransport()));
            default -> throw new IllegalArgumentException("no such transport: " + transport);
        };
    }

    CompletableFuture<StompSession> open(StompSessionHandler handler) {
        StompHeaders headers = new StompHeaders();
        if (token != null) {
            headers.add("Authorization", "Bearer " + token);
        }
        if (transport.equals("tcp")) {
            URI address = URI.create(url);
            ReactorNettyTcpStompClient client = new ReactorNettyTcpStompClient(address.getHost(), address.getPort());
            client.setTaskScheduler(scheduler);
            client.setReceiptTimeLimit(RECEIPT_LIMIT_MS);
            return client.connectAsync(headers, handler);
        }
        WebSocketStompClient client = new WebSocketStompClient(client(transport));
        client.setTaskScheduler(scheduler);
        client.setInboundMessageSizeLimit(BODY_BYTES_MAX);
        client.setReceiptTimeLimit(RECEIPT_LIMIT_MS);
        return client.connectAsync(URI.create(url), new WebSocketHttpHeaders(), headers, handler);
    }
}
