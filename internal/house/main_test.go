package house_test

import (
	"os"
	"testing"

	"github.com/smrt-go/smrt/internal/testdb"
)

// root is where the module begins.
const root = "../.."

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }
