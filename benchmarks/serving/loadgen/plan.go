package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	coordinatorv1 "example.com/quintet-loadgen/gen/quintet/coordinator/v1"
	typev1 "example.com/quintet-loadgen/gen/quintet/type/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// A line of the plan: the method's name, a group to report it under, and the request as protobuf's JSON.
type line struct {
	Method  string          `json:"method"`
	Group   string          `json:"group"`
	Request json.RawMessage `json:"request"`
}

// A call of the plan. Its request may be sent many times: what is sent with an event in it is a copy.
type call struct {
	method  string
	group   string
	request proto.Message
}

func newRequest(method string) (proto.Message, error) {
	switch method {
	case "GetRecommendations":
		return new(coordinatorv1.GetRecommendationsRequest), nil
	case "RecordEvent":
		return new(coordinatorv1.RecordEventRequest), nil
	case "BatchRecordEvents":
		return new(coordinatorv1.BatchRecordEventsRequest), nil
	}
	return nil, fmt.Errorf("there is no method %q", method)
}

func readPlan(path string) ([]call, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var calls []call
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		one, err := parseLine(scanner.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, len(calls)+1, err)
		}
		calls = append(calls, one)
	}
	if len(calls) == 0 && scanner.Err() == nil {
		return nil, fmt.Errorf("%s: no calls", path)
	}
	return calls, scanner.Err()
}

func parseLine(text []byte) (call, error) {
	var one line
	if err := json.Unmarshal(text, &one); err != nil {
		return call{}, err
	}
	request, err := newRequest(one.Method)
	if err != nil {
		return call{}, err
	}
	if err := protojson.Unmarshal(one.Request, request); err != nil {
		return call{}, err
	}
	return call{one.Method, one.Group, request}, nil
}

// fresh returns the request to send: events get an id of their own, orders too, so that a plan that is sent
// again is not a repetition of the same events.
func (one call) fresh(id string) proto.Message {
	if one.method == "GetRecommendations" {
		return one.request
	}
	request := proto.Clone(one.request)
	switch typed := request.(type) {
	case *coordinatorv1.RecordEventRequest:
		number(typed.Event, id)
	case *coordinatorv1.BatchRecordEventsRequest:
		for place, event := range typed.Events {
			number(event, fmt.Sprintf("%s-%d", id, place))
		}
	}
	return request
}

func number(event *typev1.Event, id string) {
	event.EventId = id
	if purchase := event.GetPurchase(); purchase != nil {
		purchase.PurchaseId = "order-" + id
	}
}
