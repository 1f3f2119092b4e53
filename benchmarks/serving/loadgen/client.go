package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	coordinatorv1 "example.com/quintet-loadgen/gen/quintet/coordinator/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const longestMessage = 64 << 20

type client struct {
	coordinatorv1.CoordinatorServiceClient
}

// What a call came to.
type outcome struct {
	err       error
	items     int
	fallbacks []string
	pending   int
}

// full says whether the call was answered by what it was meant for.
func (o outcome) full() bool {
	return o.err == nil && len(o.fallbacks) == 0
}

var (
	runID   = fmt.Sprintf("load-%x", time.Now().UnixNano())
	counter atomic.Int64
)

// connect opens connections, with the CA's file in QUINTET_TLS_CA and the key in QUINTET_API_KEY where they are set.
func connect(address string, connections int) ([]client, error) {
	transport := insecure.NewCredentials()
	if ca := os.Getenv("QUINTET_TLS_CA"); ca != "" {
		var err error
		if transport, err = credentials.NewClientTLSFromFile(ca, ""); err != nil {
			return nil, err
		}
	}
	clients := make([]client, connections)
	for place := range clients {
		connection, err := grpc.NewClient(address,
			grpc.WithTransportCredentials(transport),
			grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(longestMessage), grpc.MaxCallRecvMsgSize(longestMessage)))
		if err != nil {
			return nil, err
		}
		clients[place] = client{coordinatorv1.NewCoordinatorServiceClient(connection)}
	}
	return clients, nil
}

// withKey adds the API key to the metadata of a call.
func withKey(ctx context.Context) context.Context {
	if key := os.Getenv("QUINTET_API_KEY"); key != "" {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	return ctx
}

func nextID() string {
	return fmt.Sprintf("%s-%d", runID, counter.Add(1))
}

// do sends a call and waits for its answer.
func (c client) do(one call, deadline time.Duration) outcome {
	ctx, cancel := context.WithTimeout(withKey(context.Background()), deadline)
	defer cancel()
	return c.send(ctx, one.fresh(nextID()))
}

func (c client) send(ctx context.Context, request proto.Message) outcome {
	switch typed := request.(type) {
	case *coordinatorv1.GetRecommendationsRequest:
		answer, err := c.GetRecommendations(ctx, typed)
		list := answer.GetList()
		return outcome{err: err, items: len(list.GetRecommendations()), fallbacks: list.GetFallbacks()}
	case *coordinatorv1.RecordEventRequest:
		answer, err := c.RecordEvent(ctx, typed)
		return outcome{err: err, items: 1, pending: len(answer.GetPendingAgents())}
	case *coordinatorv1.BatchRecordEventsRequest:
		answer, err := c.BatchRecordEvents(ctx, typed)
		return outcome{err: err, items: int(answer.GetRecorded()), pending: len(answer.GetPendingAgents())}
	}
	return outcome{err: fmt.Errorf("no call for %T", request)}
}
