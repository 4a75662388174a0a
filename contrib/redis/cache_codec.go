package smrtredis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"unsafe"

	"github.com/klauspost/compress/s2"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
)

// How a value is written. The byte stands in front of it.
const (
	plain      = '0'
	compressed = '2' // s2, which begins with the length
)

// compressAbove is from how many bytes a value is compressed: a smaller one is in one
// packet anyway.
const compressAbove = 1 << 10

// encode returns a value with its codec.
func encode(value []byte) string {
	if len(value) > compressAbove {
		b := s2.Encode(make([]byte, 1, 1+s2.MaxEncodedLen(len(value)))[1:], value)
		if len(b) < len(value)/8*7 {
			return string(compressed) + string(b)
		}
	}
	return string(plain) + string(value)
}

var errValue = errors.New("smrt: a value in the store is none")

// decode returns the value of an entry whose header is in front. It makes no room for
// more than a limit, whatever the value says.
func decode(entry string, limit int) ([]byte, error) {
	_, value, ok := strings.Cut(entry, "|")
	if !ok || value == "" {
		return nil, errValue
	}
	b := unsafe.Slice(unsafe.StringData(value), len(value)) // nobody changes it
	switch b = b[1:]; value[0] {
	case plain:
		if len(b) <= limit {
			return b, nil
		}
	case compressed:
		if n, err := s2.DecodedLen(b); err == nil && n <= limit {
			return s2.Decode(nil, b)
		}
	}
	return nil, errValue
}

// hex writes a number with as many digits as it can have.
func hex(n uint64) string {
	var b [tokenLength]byte
	for i := range b {
		b[len(b)-1-i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
	return string(b[:])
}

// number returns a random number that is not 0.
func number() uint64 { return rand.Uint64() | 1 }

// position writes one so that of one system the later text is the later position.
func position(p smrt.Position) string {
	return fmt.Sprintf("%016x%08x%016x", uint64(p.System), p.Timeline, p.LSN)
}

// floorLength is that of a floor in the answer of a script.
const floorLength = tokenLength + 1 + 40

// tokenLength is that of a random number. An entry is longer, and another state shorter.
const tokenLength = 16

// parser reads numbers, and keeps the first error.
type parser struct{ err error }

func (p *parser) number(text string, base, bits int) uint64 {
	n, err := strconv.ParseUint(text, base, bits)
	if p.err == nil {
		p.err = err
	}
	return n
}

func (p *parser) floor(text string) cache.Floor {
	return cache.Floor{
		ID: p.number(text[:16], 16, 64), Known: text[16] == '1',
		Position: smrt.Position{
			System: int64(p.number(text[17:33], 16, 64)), Timeline: uint32(p.number(text[33:41], 16, 32)), LSN: p.number(text[41:], 16, 64),
		},
	}
}

func generationsText(generations []uint64) string {
	var b []byte
	for i, g := range generations {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, hex(g)...)
	}
	return string(b)
}

// encodeNotice writes what a message says, but for its number.
func encodeNotice(m cache.Notice) string {
	b := binary.BigEndian.AppendUint64(nil, m.From)
	b = append(b, position(m.Position)...)
	for _, names := range [][]string{m.Keys, m.Generations} {
		b = binary.AppendUvarint(b, uint64(len(names)))
		for _, name := range names {
			b = binary.AppendUvarint(b, uint64(len(name)))
			b = append(b, name...)
		}
	}
	return string(b)
}

// decodeNotice reads a message that a script has published.
func decodeNotice(text string) (m cache.Notice, err error) {
	stream, rest, _ := strings.Cut(text, " ")
	n, rest, ok := strings.Cut(rest, " ")
	if !ok || len(rest) < 48 {
		return m, errValue
	}
	var p parser
	m.Sequence = cache.Sequence{Stream: stream, Number: p.number(n, 10, 64)}
	m.From = binary.BigEndian.Uint64([]byte(rest[:8]))
	m.Position = p.floor(strings.Repeat("0", 17) + rest[8:48]).Position
	b := []byte(rest[48:])
	for _, names := range []*[]string{&m.Keys, &m.Generations} {
		var count, length uint64
		if count, b, err = uvarint(b); err != nil {
			return m, err
		}
		for range count {
			if length, b, err = uvarint(b); err != nil {
				return m, err
			}
			*names = append(*names, string(b[:length]))
			b = b[length:]
		}
	}
	return m, p.err
}

// uvarint reads a number of what is still there.
func uvarint(b []byte) (uint64, []byte, error) {
	n, length := binary.Uvarint(b)
	if length <= 0 || n > uint64(len(b)-length) {
		return 0, nil, errValue
	}
	return n, b[length:], nil
}
