package shop;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.quintetrecommendations.quintet.coordinator.v1.CoordinatorServiceGrpc;
import com.quintetrecommendations.quintet.coordinator.v1.CoordinatorServiceGrpc.CoordinatorServiceBlockingV2Stub;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** How to reach Quintet and how to read its errors. Copy this file into a platform as it is. */
final class Connection implements AutoCloseable {

    /** Every call gets a deadline, so that a slow answer never holds up a page; it covers all tries together. */
    private static final long DEADLINE_SECONDS = 5;

    /**
     * The channel tries a call again while the coordinator cannot be reached, and where one stopped before it took the
     * call up (CANCELLED), but only calls that may be repeated without harm: reads, and writes that carry an id of ours
     * (eventId, feedbackId), which Quintet records once. Registering and erasing are not among them: a second try would
     * answer ALREADY_EXISTS or NOT_FOUND although the first succeeded.
     */
    private static final List<String> REPEATABLE = List.of(
            "GetCustomerProfile", "GetProduct", "GetRecommendations", "GetSimilarProducts", "RankProducts", "RecordEvent",
            "RecordFeedback", "UpdatePrices");

    /** The first handshake of a virtual machine loads many classes, and so may take longer than a page waits. */
    private static final long CONNECT_SECONDS = 20;

    private final ManagedChannel channel;
    private final CoordinatorServiceBlockingV2Stub stub;

    /**
     * Open a channel to the coordinator and wait until it is connected, or cannot be. Make one for a process when it starts,
     * share it between threads, close it at the end.
     *
     * @param ca PEM file of the CA that the coordinator is known by; turns TLS on. Empty: plain text.
     * @param key the platform's API key, or empty. Both are needed wherever the coordinator is not on the same machine.
     */
    Connection(String address, String ca, String key) throws IOException, InterruptedException {
        channel = Grpc.newChannelBuilder(address, credentials(ca))
                .defaultServiceConfig(Map.of("methodConfig", List.of(Map.of("name", names(), "retryPolicy", RETRY))))
                .intercept(new WithDeadline())
                .build();
        CoordinatorServiceBlockingV2Stub open = CoordinatorServiceGrpc.newBlockingV2Stub(channel);
        stub = key.isEmpty() ? open : open.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(shown(key)));
        awaitConnection(System.nanoTime() + TimeUnit.SECONDS.toNanos(CONNECT_SECONDS));
    }

    /** Return the client: one method for each RPC. */
    CoordinatorServiceBlockingV2Stub stub() {
        return stub;
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    /**
     * Return which fields were wrong and why; empty for errors that are not about a field. The facts travel as a
     * google.rpc.Status in the trailer grpc-status-details-bin.
     */
    static List<BadRequest.FieldViolation> fieldViolations(StatusException error) throws InvalidProtocolBufferException {
        for (var detail : StatusProto.fromThrowable(error).getDetailsList()) {
            if (detail.is(BadRequest.class)) {
                return detail.unpack(BadRequest.class).getFieldViolationsList();
            }
        }
        return List.of();
    }

    /** Wait until the channel is connected, has failed to, or the time is over; calls then say what is wrong. */
    private void awaitConnection(long until) throws InterruptedException {
        ConnectivityState state = channel.getState(true);
        while (state == ConnectivityState.IDLE || state == ConnectivityState.CONNECTING) {
            CountDownLatch changed = new CountDownLatch(1);
            channel.notifyWhenStateChanged(state, changed::countDown);
            if (!changed.await(until - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                return;
            }
            state = channel.getState(true);
        }
    }

    private static ChannelCredentials credentials(String ca) throws IOException {
        return ca.isEmpty()
                ? InsecureChannelCredentials.create()
                : TlsChannelCredentials.newBuilder().trustManager(new File(ca)).build();
    }

    private static Metadata shown(String key) {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + key);
        return headers;
    }

    private static final Map<String, Object> RETRY = Map.of(
            "maxAttempts", 4.0, "initialBackoff", "0.1s", "maxBackoff", "1s", "backoffMultiplier", 2.0,
            "retryableStatusCodes", List.of("UNAVAILABLE", "CANCELLED"));

    private static List<Map<String, String>> names() {
        return REPEATABLE.stream()
                .map(method -> Map.of("service", CoordinatorServiceGrpc.SERVICE_NAME, "method", method))
                .toList();
    }

    /** Gives each call its deadline when it begins. */
    private static final class WithDeadline implements ClientInterceptor {
        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            return next.newCall(method, options.withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS));
        }
    }
}
