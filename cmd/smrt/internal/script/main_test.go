package script_test

import (
	"os"
	"testing"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }
