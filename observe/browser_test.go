package observe_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/testdb"
)

// browser is a Chromium without a window, spoken to by its DevTools protocol over a
// pair of pipes. It has one page.
type browser struct {
	t       testing.TB
	in      *os.File
	session string

	mu      sync.Mutex
	last    int
	answers map[int]chan answer
	seen    map[string]int // events, by their methods
	bad     []string       // what the page complained of
	ended   chan struct{}
}

type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// chromium returns the program, or skips the test.
func chromium(t testing.TB) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the browser is spoken to over pipes that Windows programs do not inherit")
	}
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if name := os.Getenv("SMRT_CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("no browser: none of %s is installed; \"sh tools/install-postgres.sh chromium\" installs one where apt-get can, and SMRT_CHROMIUM names another", strings.Join(names, ", "))
	return ""
}

// newBrowser starts a browser, which ends with the test.
func newBrowser(t testing.TB) *browser {
	program, home := chromium(t), t.TempDir()
	commandsOut, commandsIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	answersOut, answersIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
		"--no-proxy-server", "--remote-debugging-pipe", "--user-data-dir="+filepath.Join(home, "profile"), "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.Stderr, cmd.ExtraFiles = &log, []*os.File{commandsOut, answersIn}
	if err := cmd.Start(); err != nil {
		t.Skipf("the browser %s does not start: %v", program, err)
	}
	_ = commandsOut.Close()
	_ = answersIn.Close()
	b := &browser{t: t, in: commandsIn, answers: map[int]chan answer{}, seen: map[string]int{}, ended: make(chan struct{})}
	go b.read(answersOut)
	t.Cleanup(func() {
		_, _ = b.send("", "Browser.close", nil)
		_ = commandsIn.Close()
		_ = cmd.Wait()
		_ = answersOut.Close()
		<-b.ended
		if t.Failed() {
			t.Logf("the browser wrote:\n%s", log.String())
		}
	})
	if _, err := b.send("", "Browser.getVersion", nil); err != nil { // such as a program that only says how to install it
		t.Skipf("the browser %s does not work here: %v", program, err)
	}
	b.openPage()
	return b
}

// openPage makes the page.
func (b *browser) openPage() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Log", "Runtime", "Network"} {
		b.do(domain+".enable", nil, nil)
	}
}

// read takes what the browser says, each message ended by a zero byte, until it ends.
func (b *browser) read(from *os.File) {
	defer close(b.ended)
	for r := bufio.NewReaderSize(from, 1<<20); ; {
		message, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(message[:len(message)-1], &a) == nil {
			b.take(a)
		}
	}
}

func (b *browser) take(a answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to := b.answers[a.ID]; to != nil {
		delete(b.answers, a.ID)
		to <- a
		return
	}
	b.seen[a.Method]++
	switch a.Method {
	case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.loadingFailed", "Page.javascriptDialogOpening":
		b.bad = append(b.bad, a.Method+" "+string(a.Params))
	}
}

var errBrowser = errors.New("browser")

// send sends a command and returns its result.
func (b *browser) send(session, method string, params any) (json.RawMessage, error) {
	to := make(chan answer, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.answers[id] = to
	b.mu.Unlock()
	command := map[string]any{"id": id, "method": method}
	if params != nil {
		command["params"] = params
	}
	if session != "" {
		command["sessionId"] = session
	}
	text, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		return nil, err
	}
	select {
	case a := <-to:
		if a.Error != nil {
			return nil, fmt.Errorf("%w: %s", errBrowser, a.Error.Message)
		}
		return a.Result, nil
	case <-b.ended:
		return nil, fmt.Errorf("%w: it has ended", errBrowser)
	case <-time.After(testdb.Patience(time.Minute)):
		return nil, fmt.Errorf("%w: no answer to %s", errBrowser, method)
	}
}

// do sends a command to the page, and reads its result.
func (b *browser) do(method string, params, result any) {
	b.t.Helper()
	raw, err := b.send(b.session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(raw, result)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// open shows a URL on a screen of a width, with a scheme of colours.
func (b *browser) open(url string, width int, scheme string) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	before := b.count("Page.loadEventFired")
	b.do("Page.navigate", map[string]any{"url": url}, nil)
	for end := time.Now().Add(testdb.Patience(time.Minute)); b.count("Page.loadEventFired") == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s is not loaded", url)
		}
	}
}

func (b *browser) count(method string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen[method]
}

// complaints returns what the page has complained of so far.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.bad)
}

// eval returns the value of an expression in the page. Neither the policy of the page
// nor that scripts are off keeps the protocol from it.
func (b *browser) eval(expression string, value any) {
	b.t.Helper()
	var out struct {
		Result struct{ Value json.RawMessage }
	}
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &out)
	if err := json.Unmarshal(out.Result.Value, value); err != nil {
		b.t.Fatalf("%s: %v in %s", expression, err, out.Result.Value)
	}
}

// shot returns a picture of the page from its top, at most so high.
func (b *browser) shot(height int) []byte {
	b.t.Helper()
	var size struct{ W, H int }
	b.eval("({w: document.documentElement.clientWidth, h: document.documentElement.scrollHeight})", &size)
	var out struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{
		"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": 0, "width": size.W, "height": min(size.H, height), "scale": 1},
	}, &out)
	png, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}
