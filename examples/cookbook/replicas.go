package cookbook

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/txn"
)

// OpenServers opens a primary and its standbys, in any order.
func OpenServers(ctx context.Context, secret []byte, urls ...string) (*readreplica.Router, error) {
	servers := make([]readreplica.Server, len(urls))
	for i, url := range urls {
		servers[i].URL = url
	}
	return readreplica.Open(ctx, readreplica.Config{
		Servers:     servers,
		MaxStale:    10 * time.Second, // of reads that demand nothing
		TokenSecret: secret,           // signs what travels in cookies
		OnEvent: func(e readreplica.Event) {
			slog.Info("servers", "event", e)
		},
	})
}

// SetBalance changes what a customer has, and returns the row as it is shown then.
func (s *Shop) SetBalance(ctx context.Context, customer, cents int64) (*Customer, error) {
	ctx = readreplica.WithSession(ctx)
	if err := s.Customers.Patch(ctx, customer, Balance.Set(cents)); err != nil {
		return nil, err
	}
	return s.Customers.Get(ctx, customer) // from a standby, if that has the change already
}

// Placed is a message to another service: an order, and from where on it can be read.
type Placed struct {
	Order    int64
	Position smrt.Position
}

// PlaceAndTell creates an order, and returns the message that tells of it.
func (s *Shop) PlaceAndTell(ctx context.Context, order *Order) ([]byte, error) {
	result, err := txn.RunResult(ctx, s.db, func(ctx context.Context, tx pgx.Tx) error {
		return s.Orders.With(tx).Create(ctx, order)
	}, txn.Options{TrackPosition: true})
	if err != nil {
		return nil, err
	}
	return json.Marshal(Placed{order.ID, result.Position})
}

// Told reads the order of a message, from any server that has it.
func (s *Shop) Told(ctx context.Context, message []byte) (*Order, error) {
	var m Placed
	if err := json.Unmarshal(message, &m); err != nil {
		return nil, err
	}
	return s.Orders.Get(readreplica.WithPosition(ctx, m.Position), m.Order)
}
