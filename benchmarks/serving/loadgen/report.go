package main

import (
	"math"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// growth is the ratio of the upper bounds of neighbouring buckets: percentiles are true to 1 %.
const growth = 1.01

// A report of a run, for the Python side.
type report struct {
	Mode       string            `json:"mode"`
	Callers    int               `json:"callers"`
	Rate       float64           `json:"rate"`
	Seconds    float64           `json:"seconds"`
	CPUSeconds float64           `json:"cpu_seconds"`
	Growth     float64           `json:"growth"`
	Groups     map[string]*group `json:"groups"`

	lock     sync.Mutex
	deadline time.Duration
}

// A group of calls. Buckets count calls by time: bucket b holds what took at most growth^b microseconds.
type group struct {
	Calls     int            `json:"calls"`
	InTime    int            `json:"in_time"` // full answers that came before the measured seconds ended
	Full      int            `json:"full"`    // answers without an error or a fallback
	Items     int            `json:"items"`   // products recommended, or events recorded, in time
	Empty     int            `json:"empty"`
	Pending   int            `json:"pending"`
	Errors    map[string]int `json:"errors"`
	Fallbacks map[string]int `json:"fallbacks"`
	Buckets   map[int]int    `json:"buckets"`
}

func newReport(mode string, opts options) *report {
	return &report{Mode: mode, Callers: opts.callers, Rate: opts.rate, Seconds: opts.seconds, Growth: growth,
		Groups: map[string]*group{}, deadline: opts.deadline}
}

// add counts a call. One that failed, or that was answered with a fallback, counts as if it had taken the whole deadline:
// failing fast must not look like answering fast.
func (r *report) add(name string, took time.Duration, got outcome, inTime bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	to := r.Groups[name]
	if to == nil {
		to = &group{Errors: map[string]int{}, Fallbacks: map[string]int{}, Buckets: map[int]int{}}
		r.Groups[name] = to
	}
	to.Calls++
	if got.full() {
		to.Full++
	} else {
		took = max(took, r.deadline)
	}
	to.Buckets[bucket(took)]++
	if got.err != nil {
		to.Errors[status.Code(got.err).String()]++
		return
	}
	if inTime && got.full() {
		to.InTime++
		to.Items += got.items
	}
	if got.items == 0 {
		to.Empty++
	}
	if got.pending > 0 {
		to.Pending++
	}
	for _, name := range got.fallbacks {
		to.Fallbacks[name]++
	}
}

func bucket(took time.Duration) int {
	micros := math.Max(1, float64(took)/float64(time.Microsecond))
	return int(math.Ceil(math.Log(micros) / math.Log(growth)))
}
