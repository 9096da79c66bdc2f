package inkwire.interop;

import java.util.logging.Level;
import java.util.logging.Logger;

/** {@code reader|writer|cases <transport> <url> <document>}, over Spring's STOMP clients. */
public final class Main {
    public static void main(String[] args) throws Exception {
        Logger.getLogger("").setLevel(Level.SEVERE);
        String role = args[0];
        String document = args[3];
        Connections connections = new Connections(args[1], args[2], System.getenv("INKWIRE_TOKEN"));
        switch (role) {
            case "reader" -> new Reader(connections, document).run();
            case "writer" -> new Writer(connections, document).run();
            case "cases" -> System.exit(new Cases(connections, document).run() ? 0 : 1);
            default -> throw new IllegalArgumentException("no such role: " + role);
        }
        System.exit(0);
    }

    /** One line of output, whole. */
    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
