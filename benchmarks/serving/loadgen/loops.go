package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	coordinatorv1 "example.com/quintet-loadgen/gen/quintet/coordinator/v1"
	typev1 "example.com/quintet-loadgen/gen/quintet/type/v1"
)

// closedLoop has each caller send its next call when the one before is answered. A call counts when it began within
// the measured seconds.
func closedLoop(opts options, clients []client, calls []call) *report {
	result := newReport("closed", opts)
	begin := time.Now().Add(seconds(opts.warmSeconds))
	end := begin.Add(seconds(opts.seconds))
	var next atomic.Int64
	var callers sync.WaitGroup
	for place := range opts.callers {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for time.Now().Before(end) {
				index := int(next.Add(1) - 1)
				if opts.once && index >= len(calls) {
					return
				}
				one := calls[index%len(calls)]
				sent := time.Now()
				got := clients[place%len(clients)].do(one, opts.deadline)
				done := time.Now()
				if !sent.Before(begin) {
					result.add(one.group, done.Sub(sent), got, !done.After(end))
				}
			}
		}()
	}
	callers.Wait()
	if opts.once {
		result.Seconds = min(opts.seconds, time.Since(begin).Seconds())
	}
	return result
}

// openLoop sends calls at a constant rate and times each from the moment when it was due.
func openLoop(opts options, clients []client, calls []call) *report {
	result := newReport("open", opts)
	pause := seconds(1 / opts.rate)
	start := time.Now().Add(50 * time.Millisecond)
	begin := start.Add(seconds(opts.warmSeconds))
	end := begin.Add(seconds(opts.seconds))
	var running sync.WaitGroup
	for place := 0; ; place++ {
		due := start.Add(time.Duration(place) * pause)
		if !due.Before(end) {
			break
		}
		time.Sleep(time.Until(due))
		running.Add(1)
		go func() {
			defer running.Done()
			one := calls[place%len(calls)]
			got := clients[place%len(clients)].do(one, opts.deadline)
			done := time.Now()
			if !due.Before(begin) {
				result.add(one.group, done.Sub(due), got, !done.After(end))
			}
		}()
	}
	running.Wait()
	return result
}

// stream sends each of the plan's events once through one ImportEvents call, and counts until all are acknowledged.
func stream(opts options, c client, calls []call) *report {
	result := newReport("stream", opts)
	events := eventsOf(calls)
	begin := time.Now()
	answer, err := importEvents(c, events)
	took := time.Since(begin)
	result.Seconds = took.Seconds()
	result.add("stream", took, outcome{err: err, items: int(answer.GetRecorded())}, true)
	return result
}

func importEvents(c client, events []*typev1.Event) (*coordinatorv1.ImportEventsResponse, error) {
	sending, err := c.ImportEvents(context.Background())
	if err != nil {
		return nil, err
	}
	for _, event := range events {
		number(event, nextID())
		if err := sending.Send(&coordinatorv1.ImportEventsRequest{Event: event}); err != nil {
			break // the reason comes with CloseAndRecv
		}
	}
	return sending.CloseAndRecv()
}

func eventsOf(calls []call) []*typev1.Event {
	var events []*typev1.Event
	for _, one := range calls {
		switch typed := one.request.(type) {
		case *coordinatorv1.RecordEventRequest:
			events = append(events, typed.Event)
		case *coordinatorv1.BatchRecordEventsRequest:
			events = append(events, typed.Events...)
		}
	}
	return events
}

func seconds(value float64) time.Duration {
	return time.Duration(value * float64(time.Second))
}
