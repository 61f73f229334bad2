//go:build interop

package source

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

// server is the database of .ci/postgres. Without it these tests fail: whoever asks for them wants them run.
func server(t *testing.T) string {
	t.Helper()
	raw := os.Getenv("MLX_TEST_POSTGRES")
	if raw == "" {
		t.Fatal(`MLX_TEST_POSTGRES is not set: .ci/postgres up && eval "$(.ci/postgres env)"`)
	}
	return raw
}

func ask(t *testing.T, raw, query string, pins ...Pin) (Result, []byte, error) {
	t.Helper()
	src, err := Parse(raw, "/")
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "x.csv")
	res, err := New(Options{}).Fetch(t.Context(), Request{Source: src, Query: query, Dest: dest, Pins: pins})
	if err != nil {
		return res, nil, err
	}
	text, readErr := os.ReadFile(dest)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return res, text, nil
}

func TestPostgresQuery(t *testing.T) {
	raw := server(t)
	query := "SELECT n, 'row \"' || n || E'\"\\nnext' AS text FROM generate_series(1, 3) n ORDER BY n  -- all of them"
	res, text, err := ask(t, raw, query)
	if err != nil {
		t.Fatal(err)
	}
	want := "n,text\n1,\"row \"\"1\"\"\nnext\"\n2,\"row \"\"2\"\"\nnext\"\n3,\"row \"\"3\"\"\nnext\"\n"
	if string(text) != want || *res.Rows != 3 || res.Server == "" || !res.Changed {
		t.Errorf("got %q, %+v", text, res)
	}
	again, _, err := ask(t, raw, query, res.Pins...)
	if err != nil || again.Changed {
		t.Errorf("again: %+v, %v", again, err)
	}
	if none, text, err := ask(t, raw, "SELECT 1 AS a WHERE false"); err != nil || *none.Rows != 0 || string(text) != "a\n" {
		t.Errorf("no rows: %q %+v %v", text, none, err)
	}
}

func TestPostgresStreams(t *testing.T) {
	res, text, err := ask(t, server(t), "SELECT n, repeat('x', 100) FROM generate_series(1, 300000) n")
	if err != nil || *res.Rows != 300_000 || int64(len(text)) != res.Pins[0].Bytes || bytes.Count(text, []byte("\n")) != 300_001 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestPostgresRefusals(t *testing.T) {
	raw := server(t)
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	wrong := *u
	wrong.User = url.UserPassword("mlx", "falsches-wort")
	for _, c := range []struct {
		name, raw, query, text string
		kind                   fault.Kind
	}{
		{"syntax", raw, "SELECT 1,\n  FROM x", `syntax error at or near "FROM" at line 2, column 3 of the query, near "FROM x"`, fault.Usage},
		{"no table", raw, "SELECT * FROM nothing_here", `line 1, column 15`, fault.Usage},
		{"two statements", raw, "SELECT 1; DROP TABLE x", "multiple commands", fault.Usage},
		{"semicolon inside", raw, "SELECT 1; -- one", `";" at line 1, column 9 of the query`, fault.Usage},
		{"closing bracket", raw, "SELECT 1) TO PROGRAM 'touch /tmp/owned' --", "syntax error", fault.Usage},
		{"writes", raw, "INSERT INTO pg_class SELECT * FROM pg_class RETURNING 1 AS x", "", fault.Usage},
		{"no columns", raw, "SET x.y = 1", "no columns", fault.Usage},
		{"in the middle", raw, "SELECT 1/(n-2) FROM generate_series(1, 3) n", "division by zero", fault.Usage},
		{"no query", raw, "  ;", "needs a query", fault.Usage},
		{"wrong password", wrong.String(), "SELECT 1", "password authentication failed", fault.Denied},
		{"nobody there", "postgres://mlx:falsches-wort@127.0.0.1:1/x", "SELECT 1", "cannot connect", fault.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ask(t, c.raw, c.query)
			if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v of kind %v", err, fault.KindOf(err))
			}
			told := fmt.Sprint(err, fault.Hints(err))
			if strings.Contains(told, password) || strings.Contains(told, "falsches-wort") {
				t.Errorf("the error tells the password: %s", told)
			}
		})
	}
	if _, err := os.Stat("/tmp/owned"); err == nil {
		t.Error("a query ran a program")
	}
	dest := filepath.Join(t.TempDir(), "x.parquet")
	src, _ := Parse(raw, "/")
	if _, err := New(Options{}).Fetch(t.Context(), Request{Source: src, Query: "SELECT 1", Dest: dest}); fault.KindOf(err) != fault.Usage {
		t.Errorf("parquet: %v", err)
	}
}
