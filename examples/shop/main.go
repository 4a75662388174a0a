// Shop is an HTTP service on smrt, as a team would write one. README.md says what is where.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		slog.Error("the service has ended", "error", err)
		os.Exit(1)
	}
}

// run is the program, until ctx ends. It writes to out where the service is.
func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	cfg, err := configFrom(getenv)
	if err != nil {
		return err
	}
	service, err := start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the shop:      http://%s\nthe live page: http://%s/debug/database\nmetrics:       http://%s/metrics\n",
		service.addr, service.opsAddr, service.opsAddr)
	select {
	case <-ctx.Done():
	case err = <-service.failed:
	}
	return service.stop(err)
}
