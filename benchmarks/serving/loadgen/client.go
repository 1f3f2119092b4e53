package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	coordinatorv1 "example.com/quintet-loadgen/gen/quintet/coordinator/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
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

func connect(address string, connections int) ([]client, error) {
	clients := make([]client, connections)
	for place := range clients {
		connection, err := grpc.NewClient(address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(longestMessage), grpc.MaxCallRecvMsgSize(longestMessage)))
		if err != nil {
			return nil, err
		}
		clients[place] = client{coordinatorv1.NewCoordinatorServiceClient(connection)}
	}
	return clients, nil
}

func nextID() string {
	return fmt.Sprintf("%s-%d", runID, counter.Add(1))
}

// do sends a call and waits for its answer.
func (c client) do(one call, deadline time.Duration) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
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
