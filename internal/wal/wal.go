// Package wal reads how far a primary has written its log, which is how a commit is found again on a standby. It is a
// package of its own because whoever commits and whoever routes reads must not know each other.
package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// Keeper is a handle that wants to know the positions of commits made on it.
type Keeper interface {
	// KeepCommits returns where the positions of commits made under ctx go, nil if they are not wanted.
	KeepCommits(ctx context.Context) func(smrt.Position)
}

// Keep returns where the positions of commits made on db under ctx go, nil if they are not wanted.
func Keep(ctx context.Context, db any) func(smrt.Position) {
	if k, ok := db.(Keeper); ok {
		return k.KeepCommits(ctx)
	}
	return nil
}

// AsyncSQL is asked inside a transaction, before COMMIT: whether COMMIT will return before the log is flushed.
const AsyncSQL = "SELECT (current_setting('synchronous_commit') = 'off')::text"

// EndSQL is asked on a primary, behind COMMIT and never before: inside of a transaction the answer lies before the
// record of its commit. (PostgreSQL corrected its own manual in this, commit 2af020eacb.)
//
// An insert position at the beginning of a page points behind the header of a page that may not exist yet, and a
// standby reaches it only when the next record is written, on an idle primary after many seconds. So the header (24
// bytes, 40 at the beginning of a segment) is taken off: no record ends inside it.
const EndSQL = `SELECT system_identifier::text, substr(pg_walfile_name(flush), 1, 8), (flush - '0/0')::text,
	(insert - '0/0' - CASE WHEN at.file_offset % current_setting('wal_block_size')::int = 24 THEN 24
		WHEN at.file_offset = 40 THEN 40 ELSE 0 END)::text
	FROM pg_control_system(), pg_current_wal_flush_lsn() AS flush, pg_current_wal_insert_lsn() AS insert,
		pg_walfile_name_offset(insert) AS at`

// End is the end of a primary's log.
type End struct {
	flushed  smrt.Position
	inserted uint64
}

// Scan reads the answer to EndSQL.
func (e *End) Scan(row pgx.Row) error {
	var fields [4]string
	if err := row.Scan(&fields[0], &fields[1], &fields[2], &fields[3]); err != nil {
		return err
	}
	return e.parse(fields)
}

func (e *End) parse(fields [4]string) error {
	system, err1 := strconv.ParseInt(fields[0], 10, 64)
	timeline, err2 := strconv.ParseUint(fields[1], 16, 32)
	flushed, err3 := strconv.ParseUint(fields[2], 10, 64)
	inserted, err4 := strconv.ParseUint(fields[3], 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	e.flushed = smrt.Position{System: system, Timeline: uint32(timeline), LSN: flushed}
	e.inserted = inserted
	return nil
}

// Covering returns the position that covers every commit answered before. A commit that did not wait for the log to
// be flushed is only behind what was inserted; for others that is further than need be, because others write too.
func (e End) Covering(async bool) smrt.Position {
	p := e.flushed
	if async {
		p.LSN = max(p.LSN, e.inserted)
	}
	return p
}

// Now returns the position that covers every commit that was answered before the call, if they were made with the
// settings that db has by default.
func Now(ctx context.Context, db smrt.DB) (smrt.Position, error) {
	var async string
	var fields [4]string
	err := db.QueryRow(ctx, nowSQL).Scan(&async, &fields[0], &fields[1], &fields[2], &fields[3])
	if err != nil {
		return smrt.Position{}, err
	}
	var end End
	if err := end.parse(fields); err != nil {
		return smrt.Position{}, err
	}
	return end.Covering(async == "true"), nil
}

const nowSQL = "SELECT a.*, e.* FROM (" + AsyncSQL + ") AS a, (" + EndSQL + ") AS e"
