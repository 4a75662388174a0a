// Load sends reads to a shop from connections that each wait for an answer before they send the next
// request, checks the answers, and prints what that took:
//
//	go run ./examples/shop/load -connections 32 -duration 10s
//
// It ends with 1 if an answer was wrong.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/smrt-go/smrt/examples/shop/internal/load"
)

func main() {
	o := load.Options{Out: os.Stdout}
	flag.StringVar(&o.URL, "url", "http://127.0.0.1:8080", "where the shop is")
	flag.IntVar(&o.Connections, "connections", 32, "how many there are")
	flag.DurationVar(&o.Warm, "warm", 2*time.Second, "before the measurement: is not counted")
	flag.DurationVar(&o.Duration, "duration", 10*time.Second, "of the measurement")
	flag.StringVar(&o.Only, "only", "", "one kind of request: product, page, order or search")
	flag.Parse()
	if err := load.Run(o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}
