package readreplica_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
)

// fakeServer speaks the protocol and answers by a script: for servers that are
// not to be had here.
type fakeServer struct {
	version string
	pid     uint32
	answer  func(sql string) (columns []string, err error) // one row
	refuse  func(sql string) error                         // nil to refuse nothing; called once for each time that a statement is run

	mu   sync.Mutex
	sent []string
}

// pool starts the server and returns a pool on it, which prepares nothing.
func (f *fakeServer) pool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check.NoError(t, err)
	var g sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	g.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			g.Go(func() {
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				defer conn.Close()
				_ = f.serve(conn) // ends when the client or the test does
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		g.Wait()
	})
	pool, err := pgxpool.New(ctx, fmt.Sprintf("postgres://app@%s/shop?sslmode=disable&default_query_exec_mode=exec", l.Addr()))
	check.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// sentContaining counts the statements that contain text.
func (f *fakeServer) sentContaining(text string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, sql := range f.sent {
		if strings.Contains(sql, text) {
			n++
		}
	}
	return n
}

var errNoSuch = errors.New("no such thing")

func (f *fakeServer) serve(conn net.Conn) error {
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return err
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: f.version})
	b.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	b.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	b.Send(&pgproto3.BackendKeyData{ProcessID: f.pid, SecretKey: []byte{0, 0, 0, 1}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := b.Flush(); err != nil {
		return err
	}
	sql := ""
	for {
		m, err := b.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.Parse:
			sql = m.Query
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Query:
			f.reply(b, m.String, true)
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Execute:
			f.reply(b, sql, false)
		case *pgproto3.Describe:
			if m.ObjectType == 'P' {
				f.describe(b, sql)
			}
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return nil
		}
		if err := b.Flush(); err != nil {
			return err
		}
	}
}

// typeOf is the type of a value: boolean, bigint or text.
func typeOf(value string) uint32 {
	if value == "t" || value == "f" {
		return pgtype.BoolOID
	}
	if _, err := strconv.ParseInt(value, 10, 64); err == nil {
		return pgtype.Int8OID
	}
	return pgtype.TextOID
}

// describe tells of the columns.
func (f *fakeServer) describe(b *pgproto3.Backend, sql string) {
	columns, err := f.answer(sql)
	if err != nil || len(columns) == 0 {
		b.Send(&pgproto3.NoData{})
		return
	}
	d := &pgproto3.RowDescription{}
	for i, value := range columns {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: fmt.Append(nil, "c", i), DataTypeOID: typeOf(value), DataTypeSize: -1, TypeModifier: -1})
	}
	b.Send(d)
}

func (f *fakeServer) reply(b *pgproto3.Backend, sql string, simple bool) {
	f.mu.Lock()
	f.sent = append(f.sent, sql)
	f.mu.Unlock()
	columns, err := f.answer(sql)
	if err == nil && f.refuse != nil {
		err = f.refuse(sql)
	}
	if err != nil {
		code := "42883"
		var own *pgconn.PgError
		if errors.As(err, &own) {
			code = own.Code
		}
		b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: err.Error()})
		return
	}
	if simple {
		f.describe(b, sql)
	}
	if len(columns) > 0 {
		row := &pgproto3.DataRow{}
		for _, c := range columns {
			row.Values = append(row.Values, []byte(c))
		}
		b.Send(row)
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
}
