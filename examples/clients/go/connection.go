package main

import (
	"context"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Every call gets a deadline, so that a slow answer never holds up a page; it covers all tries together.
const deadline = 5 * time.Second

// The channel tries a call again while the coordinator cannot be reached, and where one stopped before it took the
// call up (CANCELLED), but only calls that may be repeated without harm: reads, and writes that carry an id of ours
// (`event_id`, `feedback_id`), which Quintet records once. Registering and erasing are not among them: a second try
// would answer ALREADY_EXISTS or NOT_FOUND although the first succeeded.
const serviceConfig = `{
  "methodConfig": [{
    "name": [
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "GetCustomerProfile"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "GetProduct"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "GetRecommendations"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "GetSimilarProducts"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "RankProducts"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "RecordEvent"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "RecordFeedback"},
      {"service": "quintet.coordinator.v1.CoordinatorService", "method": "UpdatePrices"}
    ],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.1s",
      "maxBackoff": "1s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
    }
  }]
}`

// connect returns a connection to the coordinator. Make one for a process, share it, and close it at the end.
// The file ca has the CA that the coordinator is known by and turns TLS on; key is the platform's API key. Both are
// needed wherever the coordinator is not on the same machine.
func connect(address, ca, key string) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if ca != "" {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(ca, ""); err != nil {
			return nil, err
		}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithUnaryInterceptor(withDeadline),
	}
	if key != "" {
		options = append(options, grpc.WithPerRPCCredentials(apiKey(key)))
	}
	return grpc.NewClient(address, options...)
}

// apiKey is shown with every call.
type apiKey string

func (k apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(k)}, nil
}

// RequireTransportSecurity says no, for a coordinator on the same machine may do without TLS.
func (apiKey) RequireTransportSecurity() bool { return false }

// withDeadline gives a call its deadline; an earlier one of the caller stays in force. Streams get theirs where they begin.
func withDeadline(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return invoke(ctx, method, request, answer, connection, options...)
}

// fieldViolations returns which fields were wrong and why; none for errors that are not about a field.
// The facts travel in the trailer `grpc-status-details-bin`, which the status package unpacks.
func fieldViolations(err error) []*errdetails.BadRequest_FieldViolation {
	for _, detail := range status.Convert(err).Details() {
		if badRequest, ok := detail.(*errdetails.BadRequest); ok {
			return badRequest.GetFieldViolations()
		}
	}
	return nil
}

// statusName returns the name of an error's status as the contract writes it, such as INVALID_ARGUMENT.
func statusName(err error) string {
	return code.Code(status.Code(err)).String()
}
