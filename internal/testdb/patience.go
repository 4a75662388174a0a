package testdb

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// defaultPatience lets tests pass on two cores with eight busy loops beside
// them, under the race detector. It costs nothing where a test passes.
const defaultPatience = 10

// Patience returns d times SMRT_TEST_PATIENCE, 10 if that is not set. It is for
// upper bounds: how long a test waits for what must happen before it fails.
// Lower bounds stay as they are, and so does what a test waits out on purpose,
// as it would only last longer. It panics if the variable is not a number from 1.
func Patience(d time.Duration) time.Duration {
	factor, err := envPatience()
	if err != nil {
		panic(fmt.Sprintf("testdb: %v", err))
	}
	return time.Duration(float64(d) * factor)
}

func envPatience() (float64, error) {
	text := os.Getenv("SMRT_TEST_PATIENCE")
	if text == "" {
		return defaultPatience, nil
	}
	factor, err := strconv.ParseFloat(text, 64)
	if err != nil || !(factor >= 1 && factor <= 1e6) {
		return 0, fmt.Errorf("SMRT_TEST_PATIENCE=%q is not a number from 1", text)
	}
	return factor, nil
}
