// Package wal reads how far a primary has written its log, which is how a commit is found again on a standby. It is a
// package of its own because whoever commits and whoever routes reads must not know each other.
package wal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/traced"
)

// AsyncSQL is asked inside a transaction, before COMMIT: whether COMMIT will return before the log is flushed.
const AsyncSQL = "SELECT (current_setting('synchronous_commit') = 'off')::text"

// EndSQL is asked on a primary, behind COMMIT and never before: inside of a transaction the answer lies before the
// record of its commit. (PostgreSQL corrected its own manual in this, commit 2af020eacb.)
//
// It is a list of expressions without FROM, and all arithmetic is left to Go: planned anew with each simple query, the
// same with functions in FROM takes 127 us instead of 29.
const EndSQL = "SELECT " + endList

const endList = `pg_control_system()::text, pg_walfile_name(pg_current_wal_flush_lsn()),
	pg_current_wal_flush_lsn()::text, pg_current_wal_insert_lsn()::text,
	current_setting('wal_block_size'), current_setting('wal_segment_size')`

// End is the end of a primary's log.
type End struct {
	flushed  smrt.Position
	inserted uint64
}

// fields are the columns of EndSQL.
type fields [6]string

// Scan reads the answer to EndSQL.
func (e *End) Scan(row pgx.Row) error {
	var f fields
	if err := row.Scan(&f[0], &f[1], &f[2], &f[3], &f[4], &f[5]); err != nil {
		return err
	}
	return e.parse(f)
}

func (e *End) parse(f fields) error {
	system, err1 := systemOf(f[0])
	timeline, err2 := timelineOf(f[1])
	flushed, err3 := ParseLSN(f[2])
	inserted, err4 := ParseLSN(f[3])
	block, err5 := strconv.ParseUint(f[4], 10, 32)
	segment, err6 := sizeOf(f[5])
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	e.flushed = smrt.Position{System: system, Timeline: timeline, LSN: flushed}
	e.inserted = existing(inserted, block, segment)
	return nil
}

// existing takes the header off a position at the beginning of a page. Such a position points behind the header of a
// page that may not exist yet, and a standby reaches it only when the next record is written: on an idle primary after
// many seconds. The header has 24 bytes, 40 at the beginning of a segment, and no record ends inside it.
func existing(lsn, block, segment uint64) uint64 {
	switch {
	case lsn%segment == 40:
		return lsn - 40
	case lsn%block == 24:
		return lsn - 24
	}
	return lsn
}

// systemOf is the system identifier in a row of pg_control_system(), whose columns are the version of the control
// file, that of the catalog, the identifier, and a time.
func systemOf(row string) (int64, error) {
	parts := strings.Split(strings.Trim(row, "()"), ",")
	if len(parts) < 3 {
		return 0, fmt.Errorf("not a row of pg_control_system(): %q", row)
	}
	return strconv.ParseInt(parts[2], 10, 64)
}

// timelineOf is the timeline in the name of a file of the log: its first 8 digits.
func timelineOf(file string) (uint32, error) {
	if len(file) < 8 {
		return 0, fmt.Errorf("not the name of a file of the log: %q", file)
	}
	t, err := strconv.ParseUint(file[:8], 16, 32)
	return uint32(t), err
}

// ParseLSN reads a pg_lsn, such as 16/B374D848.
func ParseLSN(text string) (uint64, error) {
	high, low, _ := strings.Cut(text, "/")
	h, err1 := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	return h<<32 | l, errors.Join(err1, err2)
}

// sizeOf reads a size as the server shows it, such as 16MB. That of a segment is a power of two from 1 MB to 1 GB.
func sizeOf(text string) (uint64, error) {
	for unit, factor := range map[string]uint64{"MB": 1 << 20, "GB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 16)
			return n * factor, err
		}
	}
	return 0, fmt.Errorf("not a size: %q", text)
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
	var f fields
	err := db.QueryRow(ctx, traced.Pass(nowSQL, "", "position")).Scan(&async, &f[0], &f[1], &f[2], &f[3], &f[4], &f[5])
	if err != nil {
		return smrt.Position{}, err
	}
	var end End
	if err := end.parse(f); err != nil {
		return smrt.Position{}, err
	}
	return end.Covering(async == "true"), nil
}

const nowSQL = AsyncSQL + ", " + endList
