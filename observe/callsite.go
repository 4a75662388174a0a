package observe

import (
	"runtime"
	"strings"
	"sync"

	"github.com/smrt-go/smrt/internal/kept"
)

// depth is how many frames of the user's code make a call site. The innermost
// alone is not enough: if all statements go through a method of the user's own
// repository, or through a helper, all its callers would be one site. With
// many, each path through a handler would be a site of its own, and a recursive
// function a new one at each level. Three tell the callers of a helper and of
// its wrapper apart, and a recursion looks the same from its third level on.
const depth = 3

// callSite is where the program sent a statement: return addresses in the
// user's code, from inside out; zeros where there are fewer.
type callSite [depth]uintptr

// kind is what a frame means for the search of the call site.
type kind uint8

const (
	user    kind = iota
	library      // pgx, smrt, sqlc's output
	neutral      // runtime and other packages that call back
	wrapper      // the user's, but named like a method of a handle: perhaps a wrapper between smrt and pgx
	sender       // pgx's connection, from which the tracer was called
)

// callSites finds call sites. It remembers the kinds of frames, because naming
// one takes longer than walking the stack.
type callSites struct {
	mu    sync.RWMutex
	kinds map[uintptr]kind
}

// callersSkip leaves the stack of runtime.Callers to begin with the hook of the
// tracer, or with what shared a statement: it is called from there by one function.
const callersSkip = 3

// locate returns the call site of the statement that is being sent by this
// goroutine, or that it has shared if sent is false. It returns false if there is
// none, because smrt sent it from a goroutine of its own.
func (s *callSites) locate(sent bool) (callSite, bool) {
	// Most stacks have their three frames of user code among the first 32;
	// walking on to the server's accept loop would only cost time.
	var near [32]uintptr
	n := runtime.Callers(callersSkip, near[:])
	at, found := s.search(near[:n], sent)
	if found < depth && n == len(near) {
		var far [256]uintptr
		at, found = s.search(far[:runtime.Callers(callersSkip, far[:])], sent)
	}
	return at, found > 0
}

// here returns the innermost frame of the program by which this goroutine got here, or
// none.
func (s *callSites) here() Frame {
	var stack [256]uintptr
	at, found := s.search(stack[:runtime.Callers(callersSkip, stack[:])], false)
	if found == 0 {
		return Frame{}
	}
	var f Finding
	f.locate(at)
	return f.Site
}

// search takes the user's frames from a stack and returns how many it found. With
// below the stack begins below pgx's connection.
func (s *callSites) search(stack []uintptr, below bool) (at callSite, found int) {
	sent := !below
	wrappers := 0 // frames in at that may be wrappers of a handle
	for _, pc := range stack {
		k := s.kindOf(pc)
		if !sent { // what stands between pgx and this tracer are other tracers
			sent = k == sender
			continue
		}
		switch k {
		case library, sender:
			if wrappers > 0 && wrappers == found { // called by smrt or sqlc: not where the program asks
				at, found, wrappers = callSite{}, 0, 0
			}
			continue
		case neutral:
			continue
		case wrapper:
			if wrappers == found {
				wrappers++
			}
		}
		at[found] = pc
		found++
		if found == depth {
			break
		}
	}
	return at, found
}

func (s *callSites) kindOf(pc uintptr) kind {
	s.mu.RLock()
	k, ok := s.kinds[pc]
	s.mu.RUnlock()
	if ok {
		return k
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	k = classify(frame.Function, frame.File)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.kinds == nil:
		s.kinds = map[uintptr]kind{}
		kept.Add("call sites", s, (*callSites).report, (*callSites).shrink)
	case len(s.kinds) >= maxFrames:
		clear(s.kinds)
	}
	s.kinds[pc] = k
	return k
}

const (
	maxFrames  = 65_536 // that are remembered; few programs have as many calls
	frameBytes = 24
)

func (s *callSites) report() kept.Report {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return kept.Report{Entries: len(s.kinds), Capacity: maxFrames, Bytes: int64(len(s.kinds) * frameBytes)}
}

func (s *callSites) shrink(to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kinds) > to {
		clear(s.kinds)
	}
}

const (
	pgxModule  = "github.com/jackc/pgx"
	smrtModule = "github.com/smrt-go/smrt"
)

// programs are packages of smrt that use it as anybody would.
var programs = []string{"internal/shop", "internal/pagila", "cmd/", "examples/", "bench"}

// callers are packages that call back into the program, or begin a goroutine.
// They say nothing about who asks.
var callers = map[string]bool{
	"runtime": true, "reflect": true, "sync": true, "iter": true, "slices": true, "maps": true, "context": true,
	"time": true, "testing": true, "golang.org/x/sync/errgroup": true, "golang.org/x/sync/singleflight": true,
}

// classify returns the kind of a frame, by the full name of its function and its
// file.
func classify(function, file string) kind {
	pkg, name := split(function)
	switch {
	case callers[pkg]:
		return neutral
	case within(pkg, pgxModule):
		if strings.HasPrefix(name, "(*Conn).") {
			return sender
		}
		return library
	case strings.HasSuffix(file, ".sql.go"): // what sqlc generates; who calls it is the site
		return library
	case within(pkg, smrtModule) && !strings.HasSuffix(file, "_test.go"):
		rest := strings.TrimPrefix(pkg, smrtModule+"/")
		for _, p := range programs {
			if strings.HasPrefix(rest, p) {
				return ofUser(name)
			}
		}
		return library
	}
	return ofUser(name)
}

// ofUser returns the kind of a function of the user: wrapper if its name is that
// of a method of a handle.
func ofUser(name string) kind {
	switch name[strings.LastIndex(name, ".")+1:] {
	case "Query", "QueryRow", "Exec":
		return wrapper
	}
	return user
}

// split cuts the full name of a function after its package.
func split(function string) (pkg, name string) {
	from := strings.LastIndex(function, "/") + 1
	if i := strings.IndexByte(function, '['); i >= 0 && i < from { // a slash among type arguments
		from = strings.LastIndex(function[:i], "/") + 1
	}
	dot := strings.IndexByte(function[from:], '.')
	if dot < 0 {
		return function, ""
	}
	return function[:from+dot], function[from+dot+1:]
}

// within reports whether a package belongs to a module.
func within(pkg, module string) bool {
	rest, ok := strings.CutPrefix(pkg, module)
	return ok && (rest == "" || rest[0] == '/')
}
