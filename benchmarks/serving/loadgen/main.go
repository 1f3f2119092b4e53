// Command loadgen sends a plan of calls to a coordinator and writes how long they took.
//
// Closed loop (-callers N): N callers, each sends its next call when the answer to the one before is there.
// Open loop (-rate R): R calls a second, whether earlier ones are answered or not. Each is timed from the moment when
// it was due, so that a service that stalls cannot hide the calls that wait for it.
// Stream (-stream): each event of the plan once, through one ImportEvents call, however long that takes.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"syscall"
	"time"
)

type options struct {
	address     string
	plan        string
	out         string
	callers     int
	rate        float64
	stream      bool
	once        bool
	seconds     float64
	warmSeconds float64
	deadline    time.Duration
	connections int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("loadgen: ")
	opts := parse()
	calls, err := readPlan(opts.plan)
	if err != nil {
		log.Fatal(err)
	}
	clients, err := connect(opts.address, opts.connections)
	if err != nil {
		log.Fatal(err)
	}
	report := run(opts, clients, calls)
	report.CPUSeconds = cpuSeconds()
	if err := write(opts.out, report); err != nil {
		log.Fatal(err)
	}
}

func parse() options {
	var opts options
	flag.StringVar(&opts.address, "address", "127.0.0.1:50050", "address of the coordinator")
	flag.StringVar(&opts.plan, "plan", "", "file of calls, one JSON object a line")
	flag.StringVar(&opts.out, "out", "", "file of the report; standard output when empty")
	flag.IntVar(&opts.callers, "callers", 1, "callers of the closed loop")
	flag.Float64Var(&opts.rate, "rate", 0, "calls a second of the open loop; 0 is the closed loop")
	flag.BoolVar(&opts.stream, "stream", false, "send each of the plan's events once, through one ImportEvents call")
	flag.BoolVar(&opts.once, "once", false, "end the closed loop when each call of the plan was sent once")
	flag.Float64Var(&opts.seconds, "seconds", 10, "seconds that are measured")
	flag.Float64Var(&opts.warmSeconds, "warm", 1, "seconds before, that are not measured")
	flag.DurationVar(&opts.deadline, "deadline", 10*time.Second, "deadline of each call")
	flag.IntVar(&opts.connections, "connections", 1, "connections that the calls are spread over")
	flag.Parse()
	return opts
}

func run(opts options, clients []client, calls []call) *report {
	switch {
	case opts.stream:
		return stream(opts, clients[0], calls)
	case opts.rate > 0:
		return openLoop(opts, clients, calls)
	default:
		return closedLoop(opts, clients, calls)
	}
}

func write(path string, report *report) error {
	encoded, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	if path == "" {
		_, err = os.Stdout.Write(append(encoded, '\n'))
		return err
	}
	return os.WriteFile(path, encoded, 0o644)
}

// cpuSeconds returns what this process has used of the processor.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
