// Command quintet-client plays one shopper's journey through Quintet: from registration to erasure, by the public gRPC
// contract alone. Run it against a coordinator whose catalogue has products:
//
//	go generate && go run . --address 127.0.0.1:50050
package main

//go:generate ./generate.sh

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	pb "example.com/quintet-client/gen/quintet/coordinator/v1"
	"google.golang.org/grpc/status"
)

func main() {
	if err := run(); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

var errReported = errors.New("a step failed and said so")

func run() (err error) {
	defaultAddress := cmp.Or(os.Getenv("QUINTET_COORDINATOR_ADDRESS"), "127.0.0.1:50050")
	address := flag.String("address", defaultAddress, "gRPC target of the coordinator")
	region := flag.String("region", "store 367", "region of the new customer")
	age := flag.Int("age", 50, "age of the new customer")
	asJSON := flag.Bool("json", false, "print one JSON object a step")
	flag.Parse()

	connection, err := connect(*address, os.Getenv("QUINTET_TLS_CA"), os.Getenv("QUINTET_API_KEY"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close()) }()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	shopper := newJourney(pb.NewCoordinatorServiceClient(connection), *region, int32(*age))
	return play(ctx, shopper, report{asJSON: *asJSON})
}

// play takes the steps in order and ends at the first that fails.
func play(ctx context.Context, shopper *journey, out report) error {
	for _, step := range shopper.steps() {
		facts, err := step.run(ctx)
		if failure, ok := status.FromError(err); err != nil && ok {
			err = fmt.Errorf("%s: %s", statusName(err), failure.Message())
		}
		if err != nil {
			out.failed(step.name, err)
			return errReported
		}
		out.done(step.name, facts)
	}
	return nil
}
