package meta

import (
	"bytes"
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgtype"
)

// tsvector reads the binary form of a tsvector: the number of lexemes, and for
// each its word, a zero byte, the number of positions and the positions, of
// which the upper two bits are the weight. A table that can be searched has one
// in each of its rows, and pgx's codec allocates for each word and each list of
// positions: 10 allocations for a product of the shop, where this makes 2. It
// reports false for bytes that are not of this form.
func (d *Decoder) tsvector(src []byte, dst *pgtype.TSVector) bool {
	lexemes, positions, ok := measureTSVector(src)
	if !ok {
		return false
	}
	v := pgtype.TSVector{Valid: true}
	if lexemes > 0 {
		v.Lexemes = make([]pgtype.TSVectorLexeme, lexemes)
	}
	all := make([]pgtype.TSVectorPosition, positions)
	src = src[4:]
	for i := range v.Lexemes {
		end := bytes.IndexByte(src, 0)
		v.Lexemes[i].Word = d.arena.string(src[:end])
		n := int(binary.BigEndian.Uint16(src[end+1:]))
		src = src[end+3:]
		if n == 0 {
			continue
		}
		for k := range n {
			packed := binary.BigEndian.Uint16(src[2*k:])
			all[k] = pgtype.TSVectorPosition{Position: packed & 0x3fff, Weight: pgtype.TSVectorWeight("DCBA"[packed>>14])}
		}
		v.Lexemes[i].Positions, all = all[:n:n], all[n:]
		src = src[2*n:]
	}
	*dst = v
	return true
}

// measureTSVector counts what a tsvector holds, and checks that it is whole.
func measureTSVector(src []byte) (lexemes, positions int, ok bool) {
	if len(src) < 4 {
		return 0, 0, false
	}
	lexemes = int(binary.BigEndian.Uint32(src))
	src = src[4:]
	for range lexemes {
		end := bytes.IndexByte(src, 0)
		if end < 0 || len(src) < end+3 {
			return 0, 0, false
		}
		n := int(binary.BigEndian.Uint16(src[end+1:]))
		src = src[end+3:]
		if len(src) < 2*n {
			return 0, 0, false
		}
		positions += n
		src = src[2*n:]
	}
	return lexemes, positions, len(src) == 0
}
