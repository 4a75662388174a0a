package readreplica

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/smrt-go/smrt"
)

// A token is a position, or a time where there are no positions, and a
// signature of both, in base64 for URLs:
//
//	byte  0        version, 1
//	      1 to 8   system identifier  }
//	      9 to 12  timeline           } the position; zero where there is none
//	     13 to 20  LSN                }
//	     21 to 28  seconds since 1970
//	     29 to 44  the first half of HMAC-SHA-256 of what is before it
//
// All numbers are big-endian. Nothing of it is secret; it is signed so that a user
// cannot make reads wait for what nobody has written. A position is checked when it
// is used, too: a token of another cluster, of the future or of a timeline that has
// not begun is refused.
const (
	tokenVersion = 1
	tokenBody    = 1 + 8 + 4 + 8 + 8
	tokenMAC     = 16 // of 32: 2^128 is enough against guessing
	tokenSlack   = 16 << 20
)

var tokenText = base64.RawURLEncoding.Strict()

// Token returns what the session of ctx has written and read as a text of some
// 60 letters, digits and "-_", for another process to continue with; see
// [Router.Resume]. It is empty if the session has done nothing. It queries
// positions that are not known yet.
//
// Without Config.TokenSecret or without a session the error is smrt.ErrBadOptions.
// Inside a transaction begun on the router it is smrt.ErrTxBypass.
func (r *Router) Token(ctx context.Context) (string, error) {
	if err := r.needSecret(); err != nil {
		return "", err
	}
	if r.kind().positions() {
		p, err := r.Position(ctx)
		if err != nil || p.IsZero() {
			return "", err
		}
		return r.sign(p, time.Now()), nil
	}
	s := sessionOf(ctx)
	if s == nil {
		return "", errNoSession
	}
	_, wrote := s.notes(r)
	if wrote == 0 || r.kind().current() {
		return "", nil
	}
	return r.sign(smrt.Position{}, time.Now().Add(-wrote.since())), nil
}

// Resume returns a context with a session that has written and read what the
// session of a token had. An empty token is a new session. A token that cannot
// be used is smrt.ErrBadToken; *smrt.TokenError says why. The context returned
// with it has a new session.
//
// For a token that is ahead of what the router has seen of the primary, it asks
// the primary once.
func (r *Router) Resume(ctx context.Context, token string) (context.Context, error) {
	if ctx == nil {
		return context.Background(), smrt.ErrNilContext
	}
	ctx = WithSession(ctx)
	return ctx, r.resume(ctx, token)
}

// resume adds what a token tells to the session of ctx.
func (r *Router) resume(ctx context.Context, token string) error {
	if err := r.needSecret(); err != nil {
		return err
	}
	if token == "" {
		return nil
	}
	p, at, err := r.verify(token)
	if err != nil {
		return err
	}
	s := sessionOf(ctx)
	if p.IsZero() || !r.kind().positions() {
		s.resume(r, r.whenWritten(at))
		return nil
	}
	if p, err = r.validated(ctx, p); err != nil {
		return err
	}
	s.raise(r, p, 0)
	return nil
}

// whenWritten is a time of another process as one of this one. The clocks of
// two machines differ, so where positions can be asked for, it is now, which is
// later than any time in the past. Elsewhere only the age counts, as clocks may
// have been set since this process started; a token leaves out the last second.
func (r *Router) whenWritten(at time.Time) instant {
	if r.kind().positions() {
		return now()
	}
	return max(1, now()-instant(max(0, time.Since(at)-time.Second)))
}

// unresolved is a token that says no more than that something was written.
func (r *Router) unresolved() string { return r.sign(smrt.Position{}, time.Now()) }

// needSecret refuses tokens where there is nothing to sign them with.
func (r *Router) needSecret() error {
	if len(r.cfg.TokenSecret) == 0 {
		return bad("TokenSecret", "is needed for tokens: set it to 32 random bytes, the same in every process")
	}
	return nil
}

// sign returns a token.
func (r *Router) sign(p smrt.Position, at time.Time) string {
	b := make([]byte, 0, tokenBody+sha256.Size)
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.System))
	b = binary.BigEndian.AppendUint32(b, p.Timeline)
	b = binary.BigEndian.AppendUint64(b, p.LSN)
	b = binary.BigEndian.AppendUint64(b, uint64(at.Unix()))
	return tokenText.EncodeToString(append(b, r.mac(b)...))
}

// mac is the signature of a token's body.
func (r *Router) mac(body []byte) []byte {
	h := hmac.New(sha256.New, r.cfg.TokenSecret)
	h.Write(body)
	return h.Sum(nil)[:tokenMAC]
}

// verify returns what a token says, if this router's secret has signed it.
func (r *Router) verify(token string) (smrt.Position, time.Time, error) {
	if len(token) != tokenText.EncodedLen(tokenBody+tokenMAC) {
		return smrt.Position{}, time.Time{}, &smrt.TokenError{Reason: "malformed"}
	}
	b, err := tokenText.DecodeString(token)
	if err != nil || b[0] != tokenVersion {
		return smrt.Position{}, time.Time{}, &smrt.TokenError{Reason: "malformed"}
	}
	if !hmac.Equal(b[tokenBody:], r.mac(b[:tokenBody])) {
		return smrt.Position{}, time.Time{}, &smrt.TokenError{Reason: "tampered"}
	}
	p := smrt.Position{
		System:   int64(binary.BigEndian.Uint64(b[1:])),
		Timeline: binary.BigEndian.Uint32(b[9:]),
		LSN:      binary.BigEndian.Uint64(b[13:]),
	}
	return p, time.Unix(int64(binary.BigEndian.Uint64(b[21:])), 0), nil
}
